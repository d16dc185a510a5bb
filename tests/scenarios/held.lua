-- t:promote's verdict reads what was there before the first write: a defect of then is found, one that came later does not matter, and neither does
-- the service that writes.
local scenario = require "drtest.scenario"

local defects = {
  row    = "UPDATE sbtest.sbtest1 SET k = k + 1 ORDER BY id LIMIT 1",
  ledger = "DELETE FROM sbtest.drtest_ledger ORDER BY worker, seq LIMIT 1",
}

return scenario {
  name = "held",
  promotes = true,
  options = { plant = { "later", "when the secondary is spoilt", choices = { "row", "ledger", "later" } } },
  run = function(t, opt)
    local store, primary, secondary, load, replay

    t:step("a disaster and a replay", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = t:load { "oltp_write_only", tables = 2, table_size = 1000, load_tables = 2, workers = 4, rate = 100 }
      load:prepare { on = primary }
      load:start { on = primary }
      local backup = primary:backup(store:url "backup/full")
      secondary:restore(backup)
      local feed = primary:changefeed { id = "forth", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
      t:eventually("some transactions are in the secondary", t:timeout "30s", function() return feed:status().transactions > 50 end)
      t:disaster { kill = primary }
      load:wait_disconnected()
      replay = secondary:apply_redo(store:url "redo/forth")
    end)

    t:step("service goes on, and the verdict", function()
      if defects[opt.plant] then secondary:sql(defects[opt.plant]) end
      local acked = load:stats().acked
      t:promote(load, secondary, function(held)
        local served = load:stats().acked > acked
        t:check("service " .. opt.check .. " the verdict", t:planning() or served == (opt.check == "after"))
        if opt.plant == "later" then
          for _, defect in pairs(defects) do secondary:sql(defect) end
        end
        local of = { of = primary, point = replay.point, snapshot = held }
        t:check("ledger", t.verify.ledger(load, secondary, of))
        t:check("model", t.verify.model(load, secondary, of))
      end)
      load:stop()
      if opt.plant == "later" then -- what is there now is spoilt, and found
        local now = t.verify.model(load, secondary, { of = primary, point = replay.point })
        t:check("the same check of now fails", t:planning() or now.verdict == "fail", now.evidence)
      end
    end)
  end,
}
