-- Tables are altered under load while the changefeed is killed, frozen and cut off; then the primary dies during a DDL, and the replay is killed too.
-- Every DDL must be applied exactly once, in order.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "ddl_under_fire",
  promotes = true,
  needs = { "kill", "pause", "link", "cut" },
  options = drill.options {
    rate       = { 80,  "transactions per second of all connections together", max = 10000000 },
    ddls       = { 8,   "DDLs under fire", min = 1, max = 1000 },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, feed, link

    local function start()
      return primary:changefeed { id = "primary-to-secondary", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
    end
    local statements = {
      "ALTER TABLE sbtest.sbtest1 ADD COLUMN fire%d INT NULL",
      "ALTER TABLE sbtest.sbtest2 ADD COLUMN fire%d VARCHAR(20) NOT NULL DEFAULT 'x'",
      "CREATE TABLE sbtest.fire%d (id INT PRIMARY KEY, v VARCHAR(100))",
      "ALTER TABLE sbtest.sbtest1 ADD INDEX fire%d (c(20))",
    }

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 }) -- it never replicates
      link = t:link { "feed", secondary }
      load = drill.load(t, primary, opt)
      primary:set_gc(false)
      backup = primary:backup(store:url "backup/full")
      secondary:restore(backup)
      feed = start()
      t:caught_up(feed)
    end)

    t:step("DDLs under fire", function()
      local fires = {}
      for i = 1, opt.ddls do
        local at = t:random_time("1ms", "1500ms")
        local fire = t:random(3)
        local fault
        fires[#fires + 1] = ({ [0] = "kill", "pause", "cut" })[fire]
        if fire == 0 then
          fault = t:fault { kill = feed, at = at }
        elseif fire == 1 then
          fault = t:fault { pause = feed, at = at, lasts = "300ms" }
        else
          fault = t:fault { cut = link, at = at, lasts = "300ms" }
        end
        drill.ddl(t, primary, statements[t:random(#statements) + 1]:format(i))
        if fire == 0 then
          fault:wait()
          feed = start()
        else
          fault:wait_healed()
        end
      end
      load:stop()
      drill.drain(t, feed, primary, "the secondary has all that the primary has")
      t:check("the secondary equals the primary, structure and rows", t.verify.same(primary, secondary))
      return ("%d DDLs; %s"):format(opt.ddls, table.concat(fires, ", "))
    end)

    t:step("the primary dies in a DDL", function()
      load:start { on = primary }
      t:sleep "300ms"
      local frozen = t:fault { pause = secondary } -- so that the log has what it lacks, a DDL perhaps too
      t:sleep(t:random_time("2200ms", "3700ms"))
      local disaster = t:disaster { kill = primary, at = t:random_time("1ms", "1200ms") }
      for i = 101, 200 do
        drill.ddl(t, primary, statements[i % #statements + 1]:format(i), function() return disaster:happened() end)
        if disaster:happened() or t:planning() then break end
        t:sleep "20ms"
      end
      disaster:wait()
      frozen:heal()
      load:wait_disconnected()
    end)

    t:step("and so does the replay", function()
      t:phase "replay"
      for _ = 1, 2 do
        local replay = secondary:start_replay(store:url "redo/forth")
        local killed = t:fault { kill = replay, at = t:random_time("10ms", "150ms") }
        replay:wait()
        killed:heal()
      end
      local replay = secondary:apply_redo(store:url "redo/forth")
      drill.promote(t, load, secondary, { of = primary, point = replay.point })
      drill.stop(t, load, secondary)
      return ("%s rows of %s transactions, %s DDLs"):format(text.commas(replay.rows), text.commas(replay.transactions), text.commas(replay.ddls))
    end)
  end,
}
