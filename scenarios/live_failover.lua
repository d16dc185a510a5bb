-- For a pair of clusters made for this: kills the primary, which the clusters file marks expendable, under a load in its own database, replays the
-- existing changefeed's redo log on the secondary, and accounts for every transaction of the load.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "live_failover",
  needs = { "pair" },
  promotes = true,
  options = {
    db         = { "drtest_live", "database of the load, created for it; it must not exist", names = "database" },
    tables     = { 3,     "tables of the load", min = 1, max = 10000 },
    table_size = { 1000,  "rows of each", min = 1, max = 2147483647 },
    workers    = { 8,     "connections of the load", min = 1, max = 100000 },
    rate       = { 100,   "transactions per second of all connections together", max = 10000000 },
    soak       = { "20s", "write load before the disaster" },
    instant    = { "busy", "of the disaster: busy (while the redo log is ahead of the secondary) or any", choices = { "busy", "any" } },
  },
  run = function(t, opt)
    local primary, secondary, live, load

    t:step("look at what runs", function()
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      live = t:live { of = primary, sink = secondary }
      t:check("a pair runs already", t:planning() or live ~= nil, "the clusters file has no redo or no changefeed for the primary")
      if not live then return end
      return ("%s, %s behind"):format(tostring(live.feed), text.seconds(live.feed:lag_ms() / 1000))
    end)

    if not live then return end -- nothing runs here: the check above has failed

    t:step("start a load in its own database", function()
      load = drill.load(t, primary, opt, { db = opt.db })
      drill.drain(t, live.feed, primary, "the running changefeed has brought it to the secondary", "2m")
      t:redo_caught_up(live.feed)
      t:sleep(opt.soak)
    end)

    t:step("disaster in the primary", function()
      local busy = t:disaster { kill = primary, while_busy = opt.instant == "busy" and live.feed or nil }
      load:wait_disconnected()
      t:figure("sink_busy", busy)
      return ("%s acknowledged transactions%s"):format(text.commas(load:stats().acked), busy and ", while the redo log was ahead of the secondary" or "")
    end)

    t:step("replay the redo log", function()
      local replay = drill.replay(t, secondary, live.redo)
      drill.promote(t, load, secondary, { of = primary, point = replay.point })
      drill.stop(t, load, secondary)
      return text.replayed(replay)
    end)
  end,
}
