-- If the primary died now: how long would the replay take, how much would be lost, would the rest be right? Fills a scratch cluster from a backup and
-- a copy of the live redo log, and compares it with the primary. That is only read: a full backup at 120 MB/s, unless the clusters file names one,
-- and every table once.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "rehearse",
  options = {
    tables      = { 4,     "tables to prepare if drtest creates the clusters (local, playground)", min = 1, max = 10000 },
    table_size  = { 1000,  "rows of each", min = 1, max = 2147483647 },
    workers     = { 10,    "connections of the load", min = 1, max = 100000 },
    rate        = { 100,   "transactions per second of all connections together", max = 10000000 },
    soak        = { "5s",  "write load before the rehearsal" },
    max_replay  = { "5m",  "a longer replay fails" },
    max_loss    = { "10s", "a redo log with a longer lag fails" },
    ignore      = { "",    "what not to compare: tables that TiCDC does not replicate (\"shop.audit*\") or columns (db.table.column), with commas" },
  },
  run = function(t, opt)
    local live = t:live() -- what runs already (attach): the redo log, perhaps a backup
    local store, primary, secondary, scratch, load, feed, copy, backup, loss_ms, replay, held

    t:step("look at what runs", function()
      store = t:store { buckets = { "backup", "redo" } }
      if live then
        primary = t:cluster { name = "primary" }
        local nokey = primary:ineligible_tables()
        if nokey ~= "" then
          t:note(("TiCDC does not replicate %s (no key): their rows would be lost, and they differ below unless you exclude them (--set ignore=…)"):format(nokey))
        end
        -- the comparison at the end reads the primary's past: garbage collection must not have passed it by then
        held = live.gc
        if held then
          primary:set_gc(false)
        elseif t:on_tidb() and not t:planning() then
          local ok, life = t:attempt(function() return primary:query "SELECT @@global.tidb_gc_life_time"[1][1] end)
          t:note(("garbage collection continues (tidb_gc_life_time %s): a longer rehearsal cannot read the primary's old versions at its end. " ..
            'allow = { "backup", "gc" } in the clusters file holds it during the rehearsal'):format(ok and life or "unknown"))
        end
        return ("%s; its redo log is only read"):format(tostring(primary))
      end
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = drill.load(t, primary, opt)
      primary:set_gc(false)
      local full = primary:backup(store:url "backup/full")
      secondary:restore(full)
      feed = primary:changefeed { id = "primary-to-secondary", sink = secondary, start_ts = full.ts, redo = store:url "redo/live" }
      primary:set_gc(true)
      live = { redo = store:url "redo/live" }
      t:sleep(opt.soak)
      t:caught_up(feed)
      return ("%s replicates to %s under load"):format(tostring(primary), tostring(secondary))
    end)

    t:step("copy the redo log and a backup", function()
      if t:on_tidb() then
        -- the log begins at its checkpoint: so must the backup, and TiDB can be read there. A moment with something to replay tells more.
        for _ = 1, 100 do
          local meta = t.redo.meta(live.redo)
          if t:planning() or meta.checkpoint_ts < meta.resolved_ts then break end
          t:sleep "20ms"
        end
        copy = t.redo.copy(live.redo, store:url "redo/copy")
        loss_ms = copy.wall_ms - copy.resolved_ts:ms()
        backup = primary:backup(store:url "backup/rehearsal", { snapshot = copy.checkpoint_ts })
      else
        -- a backup of now, and a copy taken while the log has passed it and its checkpoint has not; the load goes on meanwhile
        for try = 1, 20 do
          backup = primary:backup(store:url("backup/rehearsal-" .. try))
          t:wait_until("the redo log has passed the backup", t:timeout "1m", function() return backup.ts <= t.redo.meta(live.redo).resolved_ts end)
          copy = t.redo.copy(live.redo, store:url("redo/copy-" .. try))
          loss_ms = copy.wall_ms - copy.resolved_ts:ms()
          if copy.checkpoint_ts <= backup.ts then copy.uri = store:url("redo/copy-" .. try) break end
          copy = nil
        end
        t:check("the copy of the redo log covers the backup", copy ~= nil, "in one of 20 tries")
      end
      return ("%d files, %s, from checkpoint %s to resolvedTs %s"):format(copy.files, text.bytes(copy.bytes), tostring(copy.checkpoint_ts),
        tostring(copy.resolved_ts))
    end)

    t:step("replay on a scratch cluster", function()
      scratch = t:cluster { name = "scratch", ticdc = 0 }
      scratch:restore(backup)
      t:check("the scratch cluster equals the backup", t.verify.sums(scratch, backup))
      replay = scratch:apply_redo(copy.uri or store:url "redo/copy")
      t:figure("replay_seconds", replay.seconds)
      t:figure("replayed_rows", replay.rows)
      t:figure("rpo_ms", loss_ms)
      t:check("the replay is fast enough", t:planning() or replay.seconds * 1000 <= t:duration(opt.max_replay), text.seconds(replay.seconds))
      if not t:planning() and loss_ms > 5000 then
        t:note(("a disaster now would lose %s of writes: more than the log's flush interval promises"):format(text.seconds(loss_ms / 1000)))
      end
      t:check("the loss would be small enough", t:planning() or loss_ms <= t:duration(opt.max_loss), text.seconds(loss_ms / 1000))
      return ("a disaster then: %s of writes lost, replay of %s rows in %s"):format(text.seconds(loss_ms / 1000), text.commas(replay.rows),
        text.seconds(replay.seconds))
    end)

    t:step("compare with the living primary", function()
      if t:on_tidb() then
        t:check("the scratch cluster equals the primary at resolvedTs", t.verify.same(primary, scratch, { at = replay.point, ignore = opt.ignore }))
      end
      if held then primary:set_gc(true) end
      if load then
        load:stop()
        t:check("nothing up to the replay point is missing, nothing after it is there", t.verify.ledger(load, scratch, { of = primary, point = replay.point }))
        t:check("every row is exactly as it was at the replay point", t.verify.model(load, scratch, { of = primary, point = replay.point }))
      end
      return "the primary continued to serve"
    end)
  end,
}
