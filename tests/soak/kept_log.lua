-- A drill whose redo log stays: the primary dies at a drawn instant of a drawn load, with DDLs in every second drill. soak.py holds the log
-- against the format's checker.
local scenario = require "drtest.scenario"

return scenario {
  name = "kept_log",
  options = {
    redo = { "", "a file:// URI for the redo log" },
  },
  run = function(t, opt)
    local loads = { "oltp_write_only", "oltp_read_write", "bank", "append", "tpcc", "oltp_insert", "oltp_delete", "ledger" }
    local name = loads[t:random(#loads) + 1]
    local ddls = t:random(2) == 1 and name:find "^oltp"
    local store, primary, secondary, load, backup

    t:step("set up", function()
      store = t:store { buckets = { "backup" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = name == "tpcc" and t:load { name, workers = 8, rate = 40, warehouses = 1 } or name == "ledger" and t:load { name, workers = 8, rate = 200 } or
        t:load { name, tables = 2, table_size = 500, workers = 8, rate = 200 }
      load:prepare { on = primary }
      load:start { on = primary }
      backup = primary:backup(store:url "backup/full")
      secondary:restore(backup)
      return name .. (ddls and " with DDLs" or "")
    end)

    t:step("changefeed", function()
      local feed = primary:changefeed { id = "kept", sink = secondary, start_ts = backup.ts, redo = opt.redo }
      t:eventually("the redo log advances", "1m", function() return t:planning() or feed:status().resolved_ts > backup.ts end)
      for i = 1, ddls and 3 or 0 do
        t:sleep(t:random_time "800ms")
        t:attempt(function() return primary:sql(("ALTER TABLE sbtest.sbtest1 ADD COLUMN soak%d INT NULL"):format(i), { lock_wait = "1s" }) end)
      end
      t:sleep(t:random_time "3s")
      t:disaster { kill = primary }
    end)

    t:step("recover", function()
      load:wait_disconnected()
      local point = secondary:apply_redo(opt.redo).point
      t:check("nothing up to the recovered point is missing, nothing after it is there", t.verify.ledger(load, secondary, { of = primary, point = point }))
    end)
  end,
}
