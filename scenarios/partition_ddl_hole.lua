-- Shows a bug of TiCDC (classic architecture): while the secondary is stalled, a partition is exchanged and another one truncated; rows written to it
-- are in no file of the redo log, although resolvedTs has passed them.

-- No replay can restore them. In the new architecture, resolvedTs stops at the DDL (docs/TICDC-FAULTS.md).
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"

return scenario {
  name = "partition_ddl_hole",
  needs = { "kill", "pause" },
  options = {
    wait = { "10s", "how long the log continues after the last row" },
  },
  run = function(t, opt)
    local store, primary, secondary, feed, last

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 }) -- it never replicates
      primary:sql "CREATE DATABASE hole"
      primary:sql [[CREATE TABLE hole.sale (id INT, day INT, amount INT, note VARCHAR(20), PRIMARY KEY (id, day)) PARTITION BY RANGE (day)
        (PARTITION q1 VALUES LESS THAN (100), PARTITION q2 VALUES LESS THAN (200), PARTITION q3 VALUES LESS THAN (300))]]
      primary:sql "CREATE TABLE hole.stage (id INT, day INT, amount INT, note VARCHAR(20), PRIMARY KEY (id, day))"
      for i = 1, 30 do primary:sql(("INSERT INTO hole.sale VALUES (%d, %d, %d, 'old')"):format(i, i * 9, i)) end
      primary:sql "INSERT INTO hole.stage VALUES (500, 50, 1, 'staged')"
      feed = drill.replicate(primary, secondary, store, "hole")
      t:redo_caught_up(feed)
      drill.drain(t, feed, primary, "the changefeed is in step")
    end)

    t:step("DDLs while the secondary is stalled", function()
      local frozen = t:fault { pause = secondary }
      for i = 1, 5 do primary:sql(("UPDATE hole.sale SET amount = amount + 1 WHERE id = %d"):format(i)) end
      primary:sql "ALTER TABLE hole.sale EXCHANGE PARTITION q1 WITH TABLE hole.stage"
      primary:sql "INSERT INTO hole.sale VALUES (800, 250, 1, 'between')"
      primary:sql "ALTER TABLE hole.sale TRUNCATE PARTITION q2"
      primary:sql "INSERT INTO hole.sale VALUES (900, 150, 1, 'new')" -- into the new q2
      last = primary:current_tso()
      t:sleep(opt.wait)
      local resolved = feed:status().resolved_ts
      t:disaster { kill = primary }
      frozen:heal()
      t:figure("log_had_passed_the_row", t:planning() or resolved >= last)
      return (t:planning() or resolved >= last) and "the log's resolvedTs has passed the last row"
        or "the log's resolvedTs has not passed the last row, so this run proves nothing"
    end)

    t:step("replay", function()
      local replay = drill.replay(t, secondary, store:url "redo/hole")
      t:phase "check"
      if t:planning() then return end
      if replay.point < last then
        t:check("every row before the log's resolvedTs is there", true, "its resolvedTs is before the row")
        return "the log ends before the row, and says so"
      end
      local rows = secondary:query "SELECT note FROM hole.sale WHERE id = 900"
      t:check("every row before the log's resolvedTs is there", #rows == 1, #rows == 1 and "the row after TRUNCATE PARTITION is there"
        or "the row after TRUNCATE PARTITION is missing although resolvedTs has passed it: it is in no file of the log, and no replay can restore it")
    end)
  end,
}
