-- A mini drill with a load that is judged by what it read and wrote, and by its own conditions, instead of by a model of its rows.
local scenario = require "drtest.scenario"

return scenario {
  name = "histories",
  options = {
    load  = { "append", "append, bank, tpcc or oltp_insert" },
    spoil = { false, "a digit of a row is changed after the replay" },
    soak  = { "2s", "write load before the disaster" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, feed
    local tpcc = opt.load == "tpcc"

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = t:load { opt.load, tables = tpcc and 1 or 2, table_size = 100, workers = 8, rate = tpcc and 40 or 150,
                      items = tpcc and 200 or nil, customers = tpcc and 30 or nil }
      load:prepare { on = primary }
      load:start { on = primary }
    end)
    t:step("replicate", function()
      backup = primary:backup(store:url "backup/full")
      secondary:restore(backup)
      feed = primary:changefeed { id = "forth", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
    end)
    t:step("disaster", function()
      t:sleep(opt.soak)
      t:disaster { kill = primary, while_busy = feed, within = "3s" }
      load:wait_disconnected()
    end)
    t:step("replay and judge", function()
      local replay = secondary:apply_redo(store:url "redo/forth")
      local held = t.verify.snapshot(secondary)
      t:check("ledger", t.verify.ledger(load, secondary, { of = primary, point = replay.point }))
      if tpcc or opt.load == "bank" then t:check("conditions", load:checks { on = secondary }) end
      if opt.spoil then secondary:sql "UPDATE sbtest.sbtest1 SET c = REVERSE(c) WHERE id = 50" end
      if opt.load == "oltp_insert" then
        t:check("rows", t.verify.rows(load, secondary, { of = primary, point = replay.point }))
      elseif not tpcc then
        t:check("history", t.verify.isolation(load, secondary, { of = primary, point = replay.point }))
      end
      t:check("forensic", t.verify.forensic(load, primary, held, { point = replay.point }))
    end)
  end,
}
