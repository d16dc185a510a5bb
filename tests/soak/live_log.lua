-- A changefeed under load, for as long as is asked, while others read its redo log (soak.py does), and rehearsals from within: every now and
-- then a backup and a copy of the live log must give a whole piece of the history. Nothing may be missed, and no gap seen where there is none.
local scenario = require "drtest.scenario"

return scenario {
  name = "live_log",
  options = {
    tables     = { 4,     "tables to prepare" },
    table_size = { 1000,  "rows of each" },
    rate       = { 200,   "transactions per second" },
    time       = { "1m",  "how long" },
    every      = { "30s", "between rehearsals" },
    redo       = { "",    "where the redo log goes; empty: the run's own store" },
  },
  run = function(t, opt)
    local primary, secondary, load, feed, store
    local redo = opt.redo

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" }, user = "minio", password = "miniostorage" } -- soak.py reads it too
      if redo == "" then redo = store:url "redo/live" end
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = t:load { "oltp_write_only", tables = opt.tables, table_size = opt.table_size, workers = 10, rate = opt.rate }
      load:prepare { on = primary }
      load:start { on = primary }
      local full = primary:backup(store:url "backup/full")
      secondary:restore(full)
      feed = primary:changefeed { id = "live", sink = secondary, start_ts = full.ts, redo = redo }
      t:caught_up(feed)
    end)

    t:step("read it while it is written", function()
      local till, n = t:now() + t:duration(opt.time) / 1000, 0
      while t:now() < till do
        t:sleep(opt.every)
        n = n + 1
        local at, backup, covers
        for try = 1, 20 do
          backup = primary:backup(store:url(("backup/%d-%d"):format(n, try)))
          t:wait_until("the redo log has passed the backup", "1m", function() return backup.ts <= t.redo.meta(redo).resolved_ts end)
          at = store:url(("redo/copy-%d-%d"):format(n, try))
          covers = t.redo.copy(redo, at).checkpoint_ts <= backup.ts
          if covers then break end
        end
        t:check("a copy covers the backup", covers)
        local scratch = t:cluster { name = "scratch-" .. n }
        scratch:restore(backup)
        local point = scratch:apply_redo(at).point
        load:stop() -- its ledger stands still while it is read
        t:check("the ledger up to its resolvedTs", t.verify.ledger(load, scratch, { of = primary, point = point }))
        t:check("every row at its resolvedTs", t.verify.model(load, scratch, { of = primary, point = point }))
        load:start { on = primary }
        scratch:stop()
      end
      t:figure("rehearsals", n)
      t:figure("acked", load:stats().acked)
      return ("%d rehearsals"):format(n)
    end)

    t:step("the end", function()
      load:stop()
      local last = primary:position()
      t:eventually("all is on the secondary", "2m", function() return feed:reached(last) end)
      feed:stop()
      t:check("the secondary equals the primary", t.verify.same(primary, secondary))
    end)
  end,
}
