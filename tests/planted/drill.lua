-- A mini drill for the verdict's own test: small, to the checks after the replay and no further. In the test build, one process lies.
local scenario = require "drtest.scenario"

return scenario {
  name = "planted-drill",
  promotes = true,
  options = {
    soak = { "3s", "write load before the disaster" },
    busy = { false, "the disaster falls on a busy sink" },
    ddl  = { false, "an index is made while the changefeed runs" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, feed

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = t:load { "oltp_write_only", tables = 3, table_size = 1000, load_tables = 3, workers = 10, rate = 120 }
      load:prepare { on = primary }
      load:start { on = primary }
    end)
    t:step("full data", function()
      backup = primary:backup(store:url "backup/full")
      secondary:restore(backup)
      t:check("the secondary equals the primary at BackupTS", t.verify.sums(secondary, backup))
    end)
    t:step("incremental data", function()
      feed = primary:changefeed { id = "forth", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
      if opt.ddl then primary:sql "CREATE INDEX by_pad ON sbtest.sbtest2 (pad)" end
    end)
    t:step("disaster", function()
      t:sleep(opt.soak)
      t:sleep(t:random_time "1s")
      t:disaster { kill = primary, while_busy = opt.busy and feed or nil, within = "4s" }
      load:wait_disconnected()
    end)
    t:step("replay and judge", function()
      local replay = secondary:apply_redo(store:url "redo/forth")
      local disk = t.verify.snapshot(secondary)
      t:promote(load, secondary, function(held)
        t:check("ledger", t.verify.ledger(load, secondary, { of = primary, point = replay.point, snapshot = held }))
        t:check("model", t.verify.model(load, secondary, { of = primary, point = replay.point, snapshot = held }))
      end)
      load:stop()
      t:check("forensic", t.verify.forensic(load, primary, disk, { point = replay.point }))
    end)
  end,
}
