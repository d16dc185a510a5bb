-- The verdict reads what was held: a defect that was there then is found, one that came later does not matter, and neither does the service that writes.
local scenario = require "drtest.scenario"

local defects = {
  row    = "UPDATE sbtest.sbtest1 SET k = k + 1 ORDER BY id LIMIT 1",
  ledger = "DELETE FROM sbtest.drtest_ledger ORDER BY worker, seq LIMIT 1",
}

return scenario {
  name = "held",
  options = { plant = { "later", "when the secondary is spoilt", choices = { "row", "ledger", "later" } } },
  run = function(t, opt)
    local store, primary, secondary, load, replay, held

    t:step("a disaster and a replay", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = t:load { "oltp_write_only", tables = 2, table_size = 1000, load_tables = 2, workers = 4, rate = 100 }
      load:prepare { on = primary }
      load:start { on = primary }
      local backup = primary:backup(store:url "backup/full")
      secondary:restore(backup)
      local feed = primary:changefeed { id = "forth", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
      t:eventually("some transactions are in the secondary", t:patience "30s", function() return feed:status().transactions > 50 end)
      t:disaster { kill = primary }
      load:lost()
      replay = secondary:apply_redo(store:url "redo/forth")
    end)

    t:step("the state is held, and service goes on", function()
      if defects[opt.plant] then secondary:sql(defects[opt.plant]) end
      held = t.verify.hold(secondary, load)
      if opt.plant == "later" then
        for _, defect in pairs(defects) do secondary:sql(defect) end
      end
      load:start { on = secondary }
      load:first_ack()
    end)

    t:step("the verdict", function()
      local of = { of = primary, point = replay.point, held = held }
      t:check("ledger", t.verify.ledger(load, secondary, of))
      t:check("model", t.verify.model(load, secondary, of))
      t:check("service wrote meanwhile", t:planning() or load:stats().acked > 0)
      load:stop()
      if opt.plant == "later" then -- what is there now is spoilt, and found
        local now = t.verify.model(load, secondary, { of = primary, point = replay.point })
        t:check("the same check of now fails", t:planning() or now.verdict == "fail", now.evidence)
      end
      held:release()
    end)
  end,
}
