-- The replay of the redo log is killed several times before one finishes. The last one must bring the secondary exactly to the replay point, and one
-- more must change nothing.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "replay_killed",
  promotes = true,
  needs = { "kill", "link", "delay" },
  options = drill.options {
    rate       = { 200,  "transactions per second of all connections together", max = 10000000 },
    soak       = { "4s", "write load before the disaster" },
    deaths     = { 5,    "how often the replay is killed", min = 1, max = 1000 },
  },
  run = function(t, opt)
    local store, primary, secondary, load, feed, link

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 })
      link = t:link { "replay", secondary }
      load = drill.load(t, primary, opt)
      feed = drill.replicate(primary, secondary, store)
    end)

    t:step("disaster", function()
      t:sleep(opt.soak)
      -- with a DDL in the log: the replay has to know what an earlier one has done of it
      drill.ddl(t, primary, "ALTER TABLE sbtest.sbtest1 ADD COLUMN extra INT NULL")
      local after = primary:current_tso()
      -- the secondary is frozen when the primary dies: the log has what it lacks
      t:eventually("the DDL is in the log", t:timeout "30s", function() return feed:status().resolved_ts >= after end)
      local frozen = t:fault { pause = secondary }
      t:sleep(t:random_time("3s", "4500ms"))
      t:disaster { kill = primary }
      frozen:heal()
      load:wait_disconnected()
    end)

    t:step("the replay dies, again and again", function()
      t:phase "replay"
      local late = t:fault { delay = link, by = "5ms" } -- a far secondary: the kill falls into the writing
      local done = 0
      for _ = 1, opt.deaths do
        local replay = secondary:start_replay(store:url "redo/forth")
        local killed = t:fault { kill = replay, at = t:random_time("20ms", "400ms") }
        local ok = replay:wait()
        killed:heal()
        if ok then done = done + 1 end
      end
      late:heal()
      t:figure("replays_that_ended_before_their_kill", done)
      return ("%d of %d were killed in the middle"):format(opt.deaths - done, opt.deaths)
    end)

    t:step("the last one", function()
      local replay = drill.replay(t, secondary, store:url "redo/forth")
      local once = t.verify.snapshot(secondary, load)
      t:phase "check" -- nobody needs one more to be served
      local again = secondary:apply_redo(store:url "redo/forth")
      t:check("one more replay ends at the same point", again.point == replay.point)
      local column = secondary:query "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_NAME = 'sbtest1' AND COLUMN_NAME = 'extra'"
      t:check("the DDL is there once", t:planning() or column[1][1] == "1")
      t:promote(load, secondary, function(held)
        drill.judge(t, load, secondary, { of = primary, point = replay.point, snapshot = once })
        once:release()
        t:check("one more replay changes nothing", t.verify.model(load, secondary, { of = primary, point = replay.point, snapshot = held }))
      end)
      drill.stop(t, load, secondary)
      return ("%s rows of %s transactions"):format(text.commas(replay.rows), text.commas(replay.transactions))
    end)
  end,
}
