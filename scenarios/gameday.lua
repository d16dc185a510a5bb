-- The team's rehearsal: the primary dies at an unannounced moment, people recover with their own tools, and drtest measures and judges. They type
-- "service" (the secondary serves), "redundant" (it has a partner again) and "done"; it keeps what they type.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

-- what begins a line and means something; all else is a remark
local words = { decided = true, service = true, redundant = true, done = true }

return scenario {
  name = "gameday",
  promotes = true,
  options = {
    window      = { "10m", "the disaster comes at a moment in this time, chosen by the seed" },
    kind        = { "kill", "kill: the primary and its TiCDC die; nothing: a false alarm; drawn: one of the two, chosen by the seed and revealed at the end",
                    choices = { "kill", "nothing", "drawn" } },
    limit       = { "2h",  "the service must be back within this time", min = "1s" },
    redundancy  = { "4h",  "how long to wait for \"redundant\" or \"done\" afterwards" },
    machine_rto = { "",    "how long drtest alone took in the last drills, to compare with the team; `drtest gameday` sets it" },
    db          = { "drtest_live", "database of the load, created for it; it must not exist", names = "database" },
    tables      = { 3,     "tables of the load", min = 1, max = 10000 },
    table_size  = { 1000,  "rows of each", min = 1, max = 2147483647 },
    workers     = { 8,     "connections of the load", min = 1, max = 100000 },
    rate        = { 100,   "transactions per second of all connections together", max = 10000000 },
  },
  run = function(t, opt)
    local primary, secondary, redo, feed, load
    local disaster, acted, decided, served, over
    local kind = opt.kind == "drawn" and (t:random(4) == 0 and "nothing" or "kill") or opt.kind
    local remarks = 0

    -- The next line that was typed: its word, if it begins with one; every line is kept with its instant.
    local function heard()
      local line, ended = t:read_line()
      if not line then return nil, ended end -- true: nobody types any more
      local at = t:now()
      local word = line:match("^%s*(%a+)")
      remarks = remarks + 1
      t:note(("%s: %s"):format(disaster and text.seconds(at - disaster) .. " after the disaster" or text.seconds(at) .. " after the begin", line))
      if disaster and not acted then
        acted = at
        t:phase "replay" -- until service is back: the team's work
      end
      word = word and words[word:lower()] and word:lower() or "remark"
      if word == "decided" and disaster and not decided then decided = at end
      return word, line
    end
    -- Hears people out until the word comes (it, and its line), "done", the end of who types, or the end of the time.
    local function until_word(time, what, wanted)
      local from, ms = t:now(), t:duration(time)
      t:waiting("waits for " .. what)
      while (t:now() - from) * 1000 < ms and not over do
        local word, line = heard()
        over = word == "done" or not word and line
        if word == wanted then return word, line end
        if not word and not over then t:sleep "20ms" end
      end
    end

    t:step("look at what runs", function()
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = t:load { "oltp_write_only", db = opt.db, tables = opt.tables, table_size = opt.table_size, workers = opt.workers, rate = opt.rate }
      local live = t:live { of = primary, sink = secondary }
      if live then
        redo, feed = live.redo, live.feed
        load:prepare { on = primary }
        return ("%s, %s behind"):format(tostring(feed), text.seconds(feed:lag_ms() / 1000))
      end
      -- nothing runs here (local, playground): a pair to practise on
      local store = t:store { buckets = { "backup", "redo" } }
      load:prepare { on = primary }
      primary:set_gc(false)
      local full = primary:backup(store:url "backup/full")
      secondary:restore(full)
      redo = store:url "redo/live"
      feed = primary:changefeed { id = "live", sink = secondary, start_ts = full.ts, redo = redo }
      primary:set_gc(true)
      return ("a pair to practice with: %s, %s, redo log %s"):format(tostring(primary), tostring(secondary), redo)
    end)

    t:step("start a load in its own database", function()
      load:start { on = primary }
      drill.drain(t, feed, primary, "the changefeed has brought it to the secondary", "2m")
      t:redo_caught_up(feed)
      return ("%d transactions/s; now anything may happen, within %s"):format(opt.rate, opt.window)
    end)

    local point -- that people say they reached; else the redo log's
    t:step("the window", function()
      local ms = t:duration(opt.window)
      local wait, began, early = t:random(math.max(ms, 1)), t:now(), false
      if t:planning() then
        if opt.kind ~= "nothing" then t:disaster { kill = primary, while_busy = feed } end
        return
      end
      t:waiting "waits for the moment that the seed chose"
      while (t:now() - began) * 1000 < wait do
        local word, line = heard()
        early = early or word == "service"
        over = word == "done" or not word and line
        if over then break end
        if not word then t:sleep "20ms" end
      end
      if kind == "nothing" then
        local word = until_word(opt.window, "whoever takes it for a disaster", "service")
        t:check("nobody fails over without a disaster", word ~= "service" and not early, "a false alarm was drawn, and service was moved")
        return "a false alarm: nothing happened"
      end
      if over then -- without people, a disaster would only be a disaster
        t:check("somebody takes part", { verdict = "unknown", evidence = "\"done\" was typed, or standard input ended, before the disaster: nothing was injected" })
        return "called off: nothing was injected"
      end
      t:disaster { kill = primary, while_busy = feed }
      disaster = t:disaster_at()
      load:wait_disconnected()
      local word, line = until_word(opt.limit, "\"service\" from who recovers", "service")
      served = word == "service" and t:now()
      local why = over and "nobody types any more, or \"done\"" or "nobody said so"
      t:check("service is back within " .. opt.limit, served and true or false, served and text.seconds(served - disaster) or why)
      local told = served and line:match("%d%d%d%d%d%d+")
      point = told and t.tso(told) or t.redo.meta(redo).resolved_ts
      return ("the primary and its TiCDC died %s after the window began"):format(text.seconds(disaster - began))
    end)

    if not t:planning() and not served then return end

    t:step("service on the secondary, judged", function()
      drill.promote(t, load, secondary, { of = primary, point = point })
      return "up to " .. tostring(point)
    end)

    t:step("redundant again", function()
      if t:planning() then return end
      local word = until_word(opt.redundancy, "\"redundant\" or \"done\"", "redundant")
      if word == "redundant" then t:recovered("redundant", t:now()) end
      drill.stop(t, load, secondary)
      return word == "redundant" and "as typed; drtest did not check it" or "nobody said so"
    end)

    t:step("the team's times", function()
      if t:planning() then return end
      t:figure("detection_s", (acted or served) - disaster)
      if decided then t:figure("decision_s", decided - disaster) end
      t:figure("team_service_s", served - disaster)
      t:figure("remarks", remarks)
      if opt.machine_rto ~= "" then t:figure("machine_rto", opt.machine_rto) end
      return ("first action after %s%s, service after %s; by drtest alone: %s"):format(text.seconds((acted or served) - disaster),
        decided and ", decision after " .. text.seconds(decided - disaster) or "", text.seconds(served - disaster),
        opt.machine_rto ~= "" and opt.machine_rto or "not measured (drtest run live_failover, or failover)")
    end)
  end,
}
