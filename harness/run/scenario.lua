-- The scenario API: what `require "drtest.scenario"` returns, and the object `t` that a scenario's run function is given.
-- The chunk is called with the natives (C) and returns { scenario = …, run = …, text = … }.
local native = ...
local steps = native.steps

local text = {}

-- 12345678 as "12,345,678"
function text.commas(n)
  local digits = ("%.0f"):format(n)
  local out = digits:reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (out:gsub("^(-?),", "%1"))
end

function text.seconds(s)
  if s < 10 then return ("%.2f s"):format(s) end
  return ("%.1f s"):format(s)
end

function text.bytes(n)
  if n < 1024 then return ("%d B"):format(n) end
  for _, unit in ipairs { "KiB", "MiB", "GiB" } do
    n = n / 1024
    if n < 1024 or unit == "GiB" then return ("%.1f %s"):format(n, unit) end
  end
end

-- The guide's tools count less than ours: what was compared, what was replayed, in what is known of it.
function text.compared(result)
  if result.rows > 0 or result.tables == 0 then return text.commas(result.rows) .. " rows" end
  return ("%d tables"):format(result.tables)
end

function text.torn(before, after)
  if before.verdict == "unknown" then return "torn transactions: not known" end
  return ("before: %s torn transactions, after: %s"):format(text.commas(before.torn), text.commas(after.torn))
end

function text.replayed(replay)
  if replay.stock then return ("replayed in %s, uncounted"):format(text.seconds(replay.seconds)) end
  return ("%s rows of %s transactions"):format(text.commas(replay.rows), text.commas(replay.transactions))
end

local function unknown_field(where, key, fields)
  local known = {}
  for name in pairs(fields) do known[#known + 1] = name end
  table.sort(known)
  local meant = type(key) == "string" and steps.nearest(key, known)
  return ("%s: unknown field '%s'%s"):format(where, tostring(key), meant and (": did you mean '%s'?"):format(meant) or
    " (known: " .. table.concat(known, ", ") .. ")")
end

-- One option of a scenario: { default, "help", … }
local option_fields = { choices = true, min = true, max = true, valid = true, names = true, was = true }
local function check_option(key, o)
  local kind = type(o) == "table" and type(o[1])
  if type(key) ~= "string" or not key:match("^[%a_][%w_]*$") or (kind ~= "number" and kind ~= "string" and kind ~= "boolean") or type(o[2]) ~= "string" then
    error(("scenario: option %s must be { default, \"help\" }"):format(tostring(key)), 3)
  end
  for field in pairs(o) do
    if not option_fields[field] and field ~= 1 and field ~= 2 then error(unknown_field("scenario: option " .. key, field, option_fields), 3) end
  end
  if o.choices and type(o.choices) ~= "table" then error(("scenario: option %s: choices must be a list"):format(key), 3) end
  if o.min and kind == "string" and steps.wrong_duration(tostring(o.min)) then error(("scenario: option %s: min must be a duration"):format(key), 3) end
  if o.valid and type(o.valid) ~= "function" then error(("scenario: option %s: valid must be a function"):format(key), 3) end
  if o.names and not (kind == "string" and steps["wrong_" .. tostring(o.names)]) then
    error(("scenario: option %s: names can only be \"database\", of a text"):format(key), 3)
  end
  local chosen = not o.choices
  for _, choice in ipairs(o.choices or {}) do chosen = chosen or choice == o[1] end
  if not chosen then error(("scenario: option %s: its default '%s' is not among its choices"):format(key, tostring(o[1])), 3) end
  if kind == "number" and (type(o.min) == "number" and o[1] < o.min or type(o.max) == "number" and o[1] > o.max) then
    error(("scenario: option %s: its default %s is not from %s to %s"):format(key, o[1], o.min or 0, o.max or "any number"), 3)
  end
end

-- scenario { name, options, run }: checked here, so that a mistake is said before anything starts.
local fields = { name = "string", options = "table", run = "function", needs = "table", promotes = "boolean" }
local function scenario(s)
  if type(s) ~= "table" then error("scenario needs a table: scenario { name = …, options = { … }, run = function(t, opt) … end }", 2) end
  for key, value in pairs(s) do
    if not fields[key] then
      error(unknown_field("scenario", key, fields), 2)
    end
    if type(value) ~= fields[key] then error(("scenario: %s must be a %s, not a %s"):format(key, fields[key], type(value)), 2) end
  end
  if not s.name then error("scenario needs a name of letters, digits, _ and -", 2) end
  if not s.name:match("^[%w_-]+$") or #s.name > 64 then
    error(("scenario: the name '%s' must be at most 64 letters, digits, _ and -"):format(s.name:sub(1, 80)), 2)
  end
  if not s.run then error("scenario needs run = function(t, opt) … end", 2) end
  s.options = s.options or {}
  if s.promotes then
    s.options.check = { "after", "when t:promote runs its checks: after the service is back (which does not wait for them) or before", choices = { "after", "before" } }
  end
  for key, o in pairs(s.options) do check_option(key, o) end
  return setmetatable(s, { __name = "drtest.scenario" })
end

local T = {}
T.__index = T

-- What the run function says of a step is its line in the report.
function T:step(name, run) -- luacheck: ignore self
  if type(name) ~= "string" or name == "" or type(run) ~= "function" then steps.usage("t:step takes a name and a function") end
  steps.step_begin((name:gsub("^%d+%.%s*", "")))
  local detail = run()
  steps.step_end(detail and tostring(detail) or "")
end

-- check(name, result): a result of t.verify, true or false, or a function that returns one of them.
function T:check(name, result, evidence) -- luacheck: ignore self
  if type(name) ~= "string" or name == "" then steps.usage("t:check takes a name and a result") end
  if type(result) == "function" then result, evidence = result() end
  if type(result) == "table" and result.verdict then
    steps.check(name, result.verdict, result.evidence, result.findings, result.seconds, result.about)
  elseif type(result) == "boolean" then
    steps.check(name, result and "pass" or "fail", evidence and tostring(evidence) or "")
  else
    steps.usage(("t:check \"%s\": the result must be that of a check, true or false, not %s"):format(name, result == nil and "nil" or "a " .. type(result)))
  end
  return result
end

-- check_within(name, ms, limit_ms, evidence): a time that was measured. One that is too long on a machine that was too slow is unknown, not a failure.
function T:check_within(name, ms, limit_ms, evidence) -- luacheck: ignore self
  if type(name) ~= "string" or name == "" or type(ms) ~= "number" or type(limit_ms) ~= "number" then
    steps.usage("t:check_within takes a name, a time and its limit, both in milliseconds")
  end
  local slow = ms > limit_ms and steps.slow()
  steps.check(name, ms <= limit_ms and "pass" or slow and "unknown" or "fail", (evidence and tostring(evidence) or "") .. (slow and "; " .. slow or ""))
  return ms <= limit_ms
end

-- Waits until the condition holds: a promise that is kept within the time, or a failed check that ends the run. What the condition
-- returns beside its truth is the evidence.
function T:eventually(name, within, condition) -- luacheck: ignore self
  if type(name) ~= "string" or name == "" or type(condition) ~= "function" then steps.usage("t:eventually takes a name, a time such as \"2m\" and a function") end
  local ms = steps.duration(within)
  if steps.planning() then
    steps.plan(("wait until %s (at most %s)"):format(name, tostring(within)))
    return true
  end
  local from = steps.now()
  steps.waiting("waits until " .. name)
  while true do
    local value, evidence = condition()
    evidence = evidence and evidence .. ", " or ""
    local waited = steps.now() - from
    if value then
      steps.waiting()
      steps.check(name, "pass", ("%safter %s"):format(evidence, text.seconds(waited)), nil, waited)
      return value
    end
    if waited * 1000 >= ms then
      local slow = steps.slow()
      steps.check(name, slow and "unknown" or "fail", ("%snot within %s%s"):format(evidence, tostring(within), slow and "; " .. slow or ""), nil, waited)
      steps.timeout(("%s: not within %s"):format(name, tostring(within)))
    end
    steps.wait(20)
  end
end

-- What a scenario is not for is said in one line, and ends the run as a wrong call does.
function T:refuse(why) steps.refuse(why) end -- luacheck: ignore self

function T:sleep(time) -- luacheck: ignore self
  local ms = steps.duration(time)
  if steps.planning() then return steps.plan("wait " .. tostring(time)) end
  steps.wait(ms)
end

-- How long a changefeed may take to recover by itself: TiCDC waits up to 40 s between its retries, and reports nothing meanwhile.
function T:timeout(time) return native.cluster.on_tidb() and "8m" or time end -- luacheck: ignore self

-- caught_up(feed, name): a check that its lag is under 5 s, on TiDB under 20 s, where the redo log alone is several behind on a small machine.
function T:caught_up(feed, name)
  local bound = native.cluster.on_tidb() and 20 or 5
  return self:eventually(("%s lags under %d s"):format(name or "the changefeed", bound), self:timeout "2m",
    function() return feed:lags_under(bound .. "s") end)
end

-- redo_caught_up(feed): waits until its redo log lags no more than its flush interval explains. That of a new changefeed may stand still for long without
-- an error, and a disaster then would lose all of it. If it does not catch up in time, a note says so and the scenario continues.
function T:redo_caught_up(feed, within)
  if steps.planning() then return steps.plan "wait until the redo log is no further behind than its flush interval" end
  local from, ms = steps.now(), steps.duration(within or self:timeout "30s")
  while true do
    local behind = feed:status().resolved_lag_ms
    if behind and behind < 5000 then return true end
    if (steps.now() - from) * 1000 >= ms then
      steps.note(("the redo log is %s: a disaster now loses more than its flush interval promises"):format(
        behind and text.seconds(behind / 1000) .. " behind" or "of unknown position"))
      return false
    end
    steps.wait(100)
  end
end

function T:store(o) -- luacheck: ignore self
  if type(o) ~= "table" then steps.usage("t:store needs buckets: t:store { buckets = { \"backup\", \"redo\" } }") end
  return native.store(o)
end
function T:clusters(...) return native.cluster.make(...) end -- luacheck: ignore self
function T:cluster(o) return (native.cluster.make(o)) end -- luacheck: ignore self
function T:load(o) return native.load(o) end -- luacheck: ignore self

-- disaster { kill = cluster, while_busy = feed, within = "6s" }: the seed draws the instant within the sink's busy phase.
-- With at or when it is a fault like any other, one that starts RTO's clock: disaster { kill = cluster, when = … } returns it.
-- { interrupt = cluster } on TiDB is Ctrl+C, as at playground's terminal.
local disaster_fields = { kill = true, interrupt = true, while_busy = true, within = true }
function T:disaster(o)
  if type(o) ~= "table" then steps.usage("t:disaster needs what dies: t:disaster { kill = cluster }") end
  if o.at or o.when or type(o.kill) == "table" or not (o.kill or o.interrupt and native.cluster.on_tidb()) then
    o.disaster = true
    return self:fault(o)
  end
  for key in pairs(o) do
    if not disaster_fields[key] then steps.usage(unknown_field("t:disaster", key, disaster_fields)) end
  end
  return native.cluster.disaster(o.kill or o.interrupt, o.while_busy, steps.duration(o.within or "8s"), steps.random(8000), not o.kill)
end

-- The same without a check: only the time is limited.
function T:wait_until(name, within, condition) -- luacheck: ignore self
  if type(name) ~= "string" or type(condition) ~= "function" then steps.usage("t:wait_until takes a name, a time such as \"2m\" and a function") end
  if steps.planning() then return true end
  local ms, from = steps.duration(within), steps.now()
  steps.waiting("waits until " .. name)
  while not condition() do
    if (steps.now() - from) * 1000 >= ms then steps.timeout(("%s: not within %s"):format(name, tostring(within))) end
    steps.wait(5)
  end
  steps.waiting()
end
-- Has the ground TiDB's statements, and can it read the past?
function T:on_tidb() return native.cluster.on_tidb() end -- luacheck: ignore self

-- Can drtest come between the parties (t:link)?
function T:can_link() return native.cluster.can_link() end -- luacheck: ignore self

-- unsupported(thing): why this ground can't do it ("roll_forward", "flashback", "time_travel", "log_backup", "restore_point", "flashback_cluster", "bdr"); nil: it can
function T:unsupported(thing) return (native.cluster.unsupported(thing)) end -- luacheck: ignore self

-- playground: a primary is rebuilt by br, as TiDB's guide does it
function T:uses_br() return native.cluster.uses_br() end -- luacheck: ignore self

-- Replays the log on the cluster. --set replay=both: the stock tool does it too, on a copy of the cluster, and both have to agree.
function T:replay(cluster, uri, store)
  if type(cluster) ~= "userdata" then steps.usage("t:replay takes a cluster, the URI of a log, and a store") end
  if not native.cluster.replay_both() then return cluster:apply_redo(uri) end
  local twin = self:cluster { name = cluster:name() .. "-twin", ticdc = 0 }
  twin:restore(cluster:backup(store:url "backup/twin"))
  local ours = cluster:apply_redo(uri)
  local theirs = twin:apply_redo(uri, { stock = true })
  self:check("drtest's replay and `cdc redo apply` agree", self.verify.same(cluster, twin))
  self:figure("replay_seconds_ours", ours.seconds)
  self:figure("replay_seconds_stock", theirs.seconds)
  self:note(("replay: %s by drtest, %s by cdc redo apply, of the same log on equal clusters; making the copy is part of the RTO"):format(
    text.seconds(ours.seconds), text.seconds(theirs.seconds)))
  twin:stop()
  return ours
end

-- What runs already, of a clusters file (--on attach): { backup = URI of the newest backup, redo = URI of the live redo log }; else nil.
-- live { of = primary, sink = secondary }: also feed, the changefeed that runs between them. It is followed, never stopped.
function T:live(o) -- luacheck: ignore self
  if o ~= nil and (type(o) ~= "table" or not (o.of and o.sink)) then steps.usage("t:live { of = primary, sink = secondary }") end
  return (native.cluster.live(o and o.of, o and o.sink))
end

-- kill(cluster, "ticdc"): every process of that kind (ticdc, tidb, pd, tikv), or one of several ("tikv-0", "pd-leader", "ticdc-owner"); the
-- cluster goes on without it.
function T:kill(cluster, part) native.cluster.kill(cluster, part) end -- luacheck: ignore self
function T:phase(name) steps.phase(name) end -- luacheck: ignore self
function T:recovered(what, at) steps.recovered(what, at) end -- luacheck: ignore self
function T:moved(from, to, at) -- luacheck: ignore self
  if not from or not to then steps.usage("t:moved takes two clusters: t:moved(from, to)") end
  steps.moved(from:name(), to:name(), at)
end
function T:note(s) steps.note(s) end -- luacheck: ignore self
function T:figure(name, value) steps.figure(name, value) end -- luacheck: ignore self
function T:waiting(for_what) steps.waiting(for_what) end -- luacheck: ignore self
-- The next line that somebody has typed, or nil; beside nil: true when nobody types any more. Never waits.
function T:read_line() return steps.read_line() end -- luacheck: ignore self
function T:disaster_at() return (steps.disaster_at()) end -- luacheck: ignore self -- on the clock of t:now(); nil: there was none
function T:random(n) return (steps.random(n)) end -- luacheck: ignore self

-- random_time "2s": a time from 0 below it; random_time("500ms", "2s"): from the first on below the second. By the seed, as text.
function T:random_time(from, to)
  local low = to and steps.duration(from) or 0
  local high = steps.duration(to or from)
  return ("%dms"):format(low + (high > low and self:random(high - low) or 0))
end

function T:now() return steps.now() end -- luacheck: ignore self -- seconds on the journal's clock
function T:planning() return steps.planning() end -- luacheck: ignore self

-- Service moves to the cluster: RTO ends with the load's first acknowledgement there. A snapshot is taken before the first write, and
-- judge(snapshot) gets it: when service is back, or, with --set check=before, before it. Returns when it was served, and what judge returned.
function T:promote(load, cluster, judge)
  self:phase "promote"
  local snapshot = self.verify.snapshot(cluster, load)
  local function judged()
    local said = judge(snapshot)
    snapshot:release()
    return said
  end
  local said
  if self.check_first then
    self:phase "check"
    said = judged()
    self:phase "promote"
  end
  load:start { on = cluster }
  local served = load:first_ack()
  self:recovered("service", served)
  if not self.check_first then said = judged() end
  return served, said
end

-- RPO, always in its three figures, from a ledger check after the replay.
function T:rpo(ledger) -- luacheck: ignore self
  if type(ledger) ~= "table" or not ledger.verdict then steps.usage("t:rpo needs a result of t.verify.ledger") end
  if ledger.verdict == "unknown" and ledger.acked == 0 then return steps.note("RPO is not known: " .. ledger.evidence) end
  steps.rpo(ledger.lost, ledger.acked, ledger.window_ms, ledger.resolved_behind_ms)
end

-- The faults' part of t: fault, link, schedule, heal, … (chaos/fault.lua)
local faults = native.fault and native.fault.chunk(native.fault, steps) or {}
for name, f in pairs(faults.verbs or {}) do T[name] = f end

-- Ways back, side by side: way, advise (harness/run/ways.lua)
local ways = native.ways(steps, text)
for name, f in pairs(ways.verbs) do T[name] = f end

-- Runs f, whose failure is what the scenario wants to see: true and what f returned, or false and the error's text. A wrong call, and
-- Ctrl-C, end the run all the same.
function T:attempt(f) -- luacheck: ignore self
  if type(f) ~= "function" then steps.usage("t:attempt takes a function") end
  local ok, value = pcall(f)
  if ok then return true, value end
  if steps.is_final(value) then error(value, 0) end
  return false, tostring(value)
end

-- While a check looks, the terminal says so.
local looks = { same = "compares two clusters row by row", sums = "holds a cluster against its backup's sums", ledger = "holds the ledger against the rows",
                model = "holds every row against the model", rows = "asks each row who wrote it", forensic = "asks the dead primary's disk",
                isolation = "looks for isolation anomalies" }
T.verify = {}
for name, f in pairs(native.verify) do
  T.verify[name] = looks[name] and function(a, b, o, ...)
    if type(o) == "table" and o.held ~= nil then
      steps.renamed(("t.verify.%s's held"):format(name), "snapshot")
      o.snapshot, o.held = o.held, nil
    end
    steps.waiting(looks[name])
    local result = f(a, b, o, ...)
    steps.waiting()
    return result
  end or f
end
T.redo = native.redo
T.tso = native.tso
for name, of in pairs { verify = T.verify, redo = T.redo } do
  setmetatable(of, { __index = function(_, key) steps.no_name("t." .. name, key, of) end })
end

-- The names of the version before. They go with the next one.
local function renamed(owner, prefix, old, now)
  owner[old] = function(...)
    steps.renamed(prefix .. old, prefix .. now)
    return owner[now](...)
  end
end
for old, now in pairs { in_step = "caught_up", settled = "redo_caught_up", patience = "timeout", draw = "random", lacks = "unsupported",
                        by_the_guide = "uses_br", typed = "read_line" } do renamed(T, "t:", old, now) end
renamed(T.verify, "t.verify.", "hold", "snapshot")
renamed(T.verify, "t.verify.", "history", "isolation")

-- A typo in a method's name is named, as a global's is; so is t.step(…), which has no t. (t.on_tidb() asks for nothing of it.)
local function with_colon(name, f)
  return function(self, ...)
    if self == nil and select("#", ...) == 0 then return f(T) end
    if getmetatable(self) ~= T and self ~= T then steps.misspelt(("%s is a method of t: call it with a colon, t:%s(…)"):format(name, name)) end
    return f(self, ...)
  end
end
for name, f in pairs(T) do
  if type(f) == "function" and f ~= native.tso then T[name] = with_colon(name, f) end
end
setmetatable(T, { __index = function(_, key) steps.no_name("t", key, T) end })

-- What --set takes of every scenario, and with what: the guide's own tools in the place of drtest's.
local tools = { replay = "stock or both", compare = "sync_diff_inspector", backup = "br", load = "sysbench" }

-- Options as they came from --set, by the type of their default.
local function coerce(s, set)
  local opt = {}
  for name, o in pairs(s.options) do opt[name] = o[1] end
  for name, value in pairs(set) do
    local o = s.options[name]
    for now, other in pairs(s.options) do
      if not o and other.was == name then
        s.renamed = s.renamed or {}
        s.renamed[name], name, o = now, now, other
      end
    end
    if not o then
      local known = {}
      for k in pairs(s.options) do known[#known + 1] = k end
      table.sort(known)
      if tools[name] then steps.usage(("option %s of every scenario: '%s' is not %s (without it: drtest's own)"):format(name, value, tools[name])) end
      local meant = steps.nearest(name, known)
      steps.usage(("scenario %s has no option '%s'%s (options: %s)"):format(s.name, name, meant and (": did you mean '%s'?"):format(meant) or "",
        #known > 0 and table.concat(known, ", ") or "none"))
    end
    local kind = type(o[1])
    local typed
    if kind == "number" then
      typed = value:match("^%-?[%d.]+$") and tonumber(value)
      if typed and o[1] == math.floor(o[1]) and o[1] ~= 0 and typed ~= math.floor(typed) then typed = nil end
      if not typed then steps.usage(("option %s: '%s' is not a %snumber"):format(name, value, o[1] == math.floor(o[1]) and "whole " or "")) end
      if typed < 0 then steps.usage(("option %s: '%s' is below 0"):format(name, value)) end
    elseif kind == "boolean" then
      typed = ({ ["true"] = true, yes = true, on = true, ["false"] = false, no = false, off = false })[value]
      if typed == nil then steps.usage(("option %s: '%s' is not true or false"):format(name, value)) end
    else
      typed = value
      for i, choice in ipairs(o.choices or {}) do
        if choice == value then break end
        if i == #o.choices then steps.usage(("option %s: '%s' is not one of %s"):format(name, value, table.concat(o.choices, ", "))) end
      end
      local wrong = o[1]:match("^%d[%d.]*[a-z]+$") and steps.wrong_duration(value) -- its default is a duration: so is this
      if wrong then steps.usage(("option %s: '%s' is not %s"):format(name, value, wrong)) end
      if o.min and steps.duration(value) < steps.duration(o.min) then steps.usage(("option %s: %s is less than %s"):format(name, value, o.min)) end
      wrong = o.names and steps["wrong_" .. o.names](value)
      if wrong then steps.usage(("option %s: %s"):format(name, wrong)) end
    end
    local least, most = o.min, o.max
    if kind == "number" and (least and typed < least or most and typed > most) then
      steps.usage(("option %s: %s is not from %s to %s"):format(name, value, least or 0, most or "any number"))
    end
    local why = o.valid and o.valid(typed)
    if why then steps.usage(("option %s: '%s' %s"):format(name, value, why)) end
    opt[name] = typed
  end
  -- a typo in the scenario is named, as a global's is
  return setmetatable(opt, { __index = function(_, key)
    steps.misspelt(("undefined option 'opt.%s': scenario %s has none of that name"):format(tostring(key), s.name))
  end })
end

return {
  scenario = scenario,
  text = text,
  drill = native.drill(),
  coerce = coerce,
  choose = ways.choose,
  run = function(s, opt)
    local t = setmetatable({ check_first = s.promotes == true and opt.check == "before" }, T)
    for old, now in pairs(s.renamed or {}) do steps.renamed("the option " .. old, now) end
    s.run(t, opt)
    if faults.finish then faults.finish(t) end
  end,
}
