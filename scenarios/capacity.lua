-- Finds the highest rate that a pair of clusters sustains within a target, and the curve up to it.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

-- "p99<50ms,lag<5s": what has to hold. Times in ms.
local function parse(target)
  local list = {}
  for part in (target .. ","):gmatch("([^,]*),") do
    local name, bound = part:match("^%s*([%a%d]+)%s*<%s*([%d.]+%a*)%s*$")
    local number, unit = (bound or ""):match("^([%d.]+)(%a*)$")
    local factor = ({ ms = 1, s = 1000, m = 60000 })[unit]
    if unit == "" then return nil, ("lacks a unit after %s<%s: write %sms or %ss"):format(name, bound, bound, bound) end
    local known = ({ p50 = true, p95 = true, p99 = true, p999 = true, max = true, lag = true, rpo = true })[name]
    if not known or not factor or not tonumber(number) then
      return nil, "must be a list of p50, p95, p99, p999, max, lag, rpo with limits, such as 'p99<50ms,lag<5s'"
    end
    list[#list + 1] = { name = name, ms = tonumber(number) * factor, text = name .. "<" .. bound }
  end
  return list
end

local function duration_ms(s)
  local n, unit = s:match("^([%d.]+)(%a*)$")
  return tonumber(n) * ({ ms = 1, s = 1000, m = 60000, h = 3600000, [""] = 1000 })[unit]
end

local FLUSHES = 3      -- the lag goes up and down with the changefeed's flush, 2 s apart: a step sees it three times
local FLUSH_MS = 2000
local ABOVE = 10       -- so many transactions have to lie above a quantile that is a target: fewer would be chance (of 1,000 ten lie above the p99)
local SHARE_ABOVE = { p50 = 0.5, p99 = 0.01, p999 = 0.001 }

return scenario {
  name = "capacity",
  options = {
    target     = { "p99<50ms,lag<5s", "limits for p50, p95, p99, p999, max (latency from the due time), lag (changefeed), rpo",
                   valid = function(target) return select(2, parse(target)) end },
    min_rate   = { 50,    "start the search at this rate, in transactions per second", was = "from", min = 1, max = 10000000 },
    max_rate   = { 20000, "do not go beyond this rate", was = "to", min = 1, max = 10000000 },
    precision  = { 10,    "precision of the result in percent", min = 1, max = 100 },
    hold       = { "8s",  "hold each rate for at least this time" },
    workers    = { 50,    "connections of the load", min = 1, max = 100000 },
    shards     = { 1,     "number of processes that generate the load", min = 1, max = 10000 },
    rendezvous = { "",    "place where shards on other machines meet (s3://…, file://…); without it, drtest starts them here",
                   valid = function(place) if place ~= "" and not place:match("^%w+://.") then return "is not s3://… or file://…" end end },
    load       = { "oltp_write_only", "the load" },
    tables     = { 4,     "tables to prepare", min = 1, max = 10000 },
    table_size = { 10000, "rows of each", min = 1, max = 2147483647 },
    rand_type  = { "uniform", "distribution of the ids" },
  },
  run = function(t, opt)
    local targets = parse(opt.target)
    if opt.min_rate > opt.max_rate then t:refuse(("min_rate %s is above max_rate %s"):format(opt.min_rate, opt.max_rate)) end
    local sharded = opt.shards > 1 or opt.rendezvous ~= ""
    local transactions = 0 -- as many as the targets' quantiles need
    for _, target in ipairs(targets) do
      if SHARE_ABOVE[target.name] then transactions = math.max(transactions, math.floor(ABOVE / SHARE_ABOVE[target.name] + 0.5)) end
    end
    local store, primary, secondary, load, feed
    local curve = {}

    t:step("set up, full copy, changefeed", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = t:load { opt.load, tables = opt.tables, table_size = opt.table_size, workers = opt.workers, rate = opt.min_rate, rand_type = opt.rand_type,
                      reconnect = true, backlog_max = 100000000, shards = opt.shards, rendezvous = opt.rendezvous ~= "" and opt.rendezvous or nil }
      load:prepare { on = primary }
      feed = drill.replicate(primary, secondary, store, "capacity")
      t:caught_up(feed)
      load:start { on = primary }
      return ("%s  %s  %s workers%s, target %s"):format(tostring(primary), tostring(secondary), opt.workers,
        sharded and (" in %d shards"):format(opt.shards) or "", opt.target)
    end)

    -- How far behind its resolvedTs the primary is: a replay, if it died now, would reach that point. On one clock with lag.
    local function behind()
      local status = feed:status()
      local lag = status.lag_ms
      return lag, math.max(0, lag - (status.resolved_ts:ms() - status.checkpoint_ts:ms()))
    end

    -- One rate, held; what was seen, and what broke ("" nothing). unknown: shards that did not answer; what the others did is no measure of the rate.
    local function hold(rate)
      local ms = math.max(duration_ms(opt.hold), FLUSHES * FLUSH_MS, transactions * 1000 / rate)
      load:rate(rate)
      t:sleep "1s" -- the rate before is over
      if t:planning() then
        t:sleep(("%dms"):format(ms))
        return { rate = rate, lag = 0, rpo = 0, broke = "" }
      end
      load:interval()
      local seen = { rate = rate, lag = 0, rpo = 0, seconds = 0 }
      local lag_first
      for _ = 1, math.ceil(ms / 500) do
        t:sleep "500ms"
        local lag, rpo = behind()
        lag_first = lag_first or lag
        seen.lag, seen.rpo = math.max(seen.lag, lag), math.max(seen.rpo, rpo)
        seen.lag_last = lag
      end
      for name, value in pairs(load:interval()) do seen[name] = seen[name] or value end
      seen.rate, seen.broke, seen.unknown = rate, "", seen.missing
      if seen.unknown then return seen end
      for _, target in ipairs(targets) do
        if (seen[target.name] or 0) >= target.ms then seen.broke = seen.broke .. (seen.broke == "" and "" or ", ") .. target.text end
      end
      -- a queue that only grows would break any latency if one waited: it counts as broken now
      if (seen.backlog or 0) > rate / 2 then seen.broke = seen.broke .. (seen.broke == "" and "" or ", ") .. "keeps up" end
      return seen
    end

    local function line(s)
      return ("%s/s: p50 %.1f ms, p99 %.1f ms, lag %s, if the primary died now: %s (%s transactions) lost  %s"):format(
        text.commas(math.floor((s.tps or 0) + 0.5)), s.p50 or 0, s.p99 or 0, text.seconds(s.lag / 1000), text.seconds(s.rpo / 1000),
        text.commas(math.floor((s.tps or 0) * s.rpo / 1000 + 0.5)),
        s.unknown and "unknown: " .. s.unknown or s.broke == "" and "holds" or "breaks " .. s.broke)
    end

    -- After a rate that was too much: until queue and lag are gone.
    local function recover()
      load:rate(opt.min_rate)
      t:eventually("queue and lag are gone", "5m", function()
        return load:stats().backlog < opt.min_rate and feed:lag_ms() < 5000
      end)
    end

    local function probe(rate)
      local seen
      t:step(("hold %s/s"):format(text.commas(rate)), function()
        seen = hold(rate)
        local again = ""
        if seen.unknown and not seen.gone then -- late once, perhaps
          t:note(("%s/s: %s; held once more"):format(text.commas(rate), seen.unknown))
          recover()
          seen = hold(rate)
        end
        if seen.unknown then
          curve[#curve + 1] = seen
          return line(seen)
        end
        if seen.broke ~= "" then -- once may be chance (a checkpoint, a neighbour): what breaks a rate breaks it twice
          recover()
          local first = seen.broke
          seen = hold(rate)
          if seen.unknown then
            curve[#curve + 1] = seen
            return line(seen)
          end
          again = seen.broke == "" and (" (at the second try; the first missed %s)"):format(first) or " (twice)"
          if seen.broke ~= "" then recover() end
        end
        curve[#curve + 1] = seen
        return line(seen) .. again
      end)
      return seen
    end

    local best, broken, unknown
    local function try(rate)
      local seen = probe(rate)
      if t:planning() then return end
      if seen.unknown then unknown = seen elseif seen.broke == "" then best = seen else broken = seen end
    end

    local rate = opt.min_rate
    while not broken and not unknown do -- doubling finds the two rates that the knee is between
      try(rate)
      if t:planning() or rate >= opt.max_rate then break end
      rate = math.min(rate * 2, opt.max_rate)
    end
    while best and broken and not unknown and broken.rate > best.rate * (1 + opt.precision / 100) do
      local middle = math.floor((best.rate + broken.rate) / 2 + 0.5)
      if middle <= best.rate or middle >= broken.rate then break end
      try(middle)
    end
    local all = load:stop()
    if t:planning() then return end

    -- Whoever wrote to another cluster, or left half a ledger, is found here: what the shards say they did is what the primary has.
    local function check_books()
      local rows = tonumber(primary:query("SELECT COUNT(*) FROM sbtest.drtest_ledger")[1][1])
      local evidence = ("%s transactions acknowledged by %d shards, %s rows in the primary's drtest_ledger"):format(text.commas(all.acked), opt.shards,
        text.commas(rows))
      if all.ledger_files > 0 then evidence = evidence .. (", %s acknowledged in the shards' ledgers"):format(text.commas(all.ledger_acked)) end
      t:check("the shards add up", rows >= all.acked and (all.killed > 0 or rows <= all.acked + all.unknown and
        (all.ledger_files == 0 or all.ledger_acked == all.acked)), evidence)
    end

    t:step("the knee", function()
      table.sort(curve, function(x, y) return x.rate < y.rate end)
      for _, s in ipairs(curve) do t:note(line(s)) end
      t:figure("target", opt.target)
      local lines = {}
      for i, s in ipairs(curve) do
        lines[i] = ("{\"rate\":%d,\"tps\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"queue_p99_ms\":%.2f,\"lag_ms\":%d,\"rpo_ms\":%d,\"broke\":\"%s\"%s}"):format(s.rate,
          s.tps, s.p50, s.p99, s.queue_p99, s.lag, s.rpo, s.broke, s.unknown and ",\"unknown\":\"" .. s.unknown:gsub('[%c"\\]', " ") .. "\"" or "")
      end
      t:figure("curve", "[" .. table.concat(lines, ",") .. "]")
      if sharded then
        t:figure("shards", opt.shards)
        check_books()
      end
      if unknown then
        t:check("the search finished", { verdict = "unknown", evidence = ("at %s/s %s%s"):format(text.commas(unknown.rate), unknown.unknown,
          best and ("; %s/s hold"):format(text.commas(best.rate)) or "") })
      end
      if best or not unknown then t:check("a rate meets the target", best ~= nil, best and line(best) or "not even " .. line(curve[1])) end
      if not best then return end
      t:figure("capacity_tps", best.rate)
      t:figure("capacity_p99_ms", best.p99)
      t:figure("capacity_lag_ms", best.lag)
      t:figure("capacity_rpo_ms", best.rpo)
      t:note(("a rate was held for %s at least: %d flushes of the redo log%s"):format(text.seconds(math.max(duration_ms(opt.hold), FLUSHES * FLUSH_MS) / 1000),
        FLUSHES, transactions > 0 and (", and %s transactions, of which %d lie above the target's quantile"):format(text.commas(transactions), ABOVE) or ""))
      return ("%s/s %s"):format(text.commas(best.rate), broken and "hold, " .. text.commas(broken.rate) .. "/s break " .. broken.broke
        or unknown and "hold at least: the search did not come to its end"
        or "hold; no rate up to there breaks the target")
    end)
  end,
}
