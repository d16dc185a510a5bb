-- One dead primary, several ways back from the same moment: the redo log, the secondary as it is (on TiDB also at its last syncpoint), a full backup
-- with the redo log or with a log backup, the primary's own disk. The same checks judge each; the report recommends one.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "ways_back",
  promotes = true,
  needs = { "kill" },
  options = {
    tables     = { 3,      "tables", min = 1, max = 10000 },
    table_size = { 1000,   "rows of each", min = 1, max = 2147483647 },
    workers    = { 10,     "connections of the load", min = 1, max = 100000 },
    rate       = { 100,    "transactions per second of all connections together", max = 10000000 },
    soak       = { "6s",   "write load before the disaster" },
    syncpoint  = { "30s",  "TiDB: interval between syncpoints; TiCDC requires at least 30 s", min = "30s" },
    log_flush  = { "15s",  "TiDB: how often TiKV flushes the log backup (its own default is 3m); more than 10s", min = "11s" },
    disk       = { "lost", "the dead primary's disk: lost with it, or whole", choices = { "lost", "whole" } },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, feed, died, pair
    local left, state -- the secondary as it was left, held; TiDB: its TSO then, to go back to for the next way
    local tidb = t:on_tidb()
    local keeps_log = not t:unsupported "log_backup"

    -- a line of the table, for a state that is exactly at a point
    local function exact(way, ledger, model, seconds, what, needs)
      t:check(way .. ": nothing up to the point is missing, nothing after it is there", ledger)
      t:check(way .. ": every row is exactly as it was at the point", model)
      t:way { name = way, check = { ledger, model }, lost = ledger.lost, acked = ledger.acked, window_ms = ledger.window_ms, wrong = model.rows_wrong,
              seconds = seconds, steps = what, needs = needs }
    end

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 })
      load = drill.load(t, primary, opt)
      feed, backup = drill.replicate(primary, secondary, store, nil, { syncpoint = tidb and opt.syncpoint or nil })
      if tidb then secondary:set_gc(false) end -- a flashback reads what garbage collection takes away
      t:caught_up(feed)
      t:redo_caught_up(feed)
    end)

    t:step("full backup, then a log backup", function()
      if keeps_log then primary:log_backup(tidb and store:url "backup/log" or nil, { flush = tidb and opt.log_flush or nil }) end
      backup = primary:backup(store:url "backup/nightly")
      if keeps_log and tidb then
        t:eventually("the log backup has passed the full backup", t:timeout "1m", function()
          local at = primary:log_checkpoint()
          return backup.ts < at, ("its checkpoint is %s"):format(tostring(at))
        end)
      end
      if tidb then
        t:eventually("a syncpoint is there", t:timeout "1m", function()
          local ok, why = t:attempt(function() return secondary:syncpoint(feed) end)
          return ok, not ok and why or nil
        end)
      end
      t:sleep(opt.soak)
      return ("BackupTS %s"):format(tostring(backup.ts))
    end)

    t:step("disaster in the primary", function()
      local busy = t:disaster { kill = primary, while_busy = feed, within = "4s" }
      load:wait_disconnected()
      left = t.verify.snapshot(secondary, load)
      if tidb then
        pair = secondary:syncpoint(feed)
        state = secondary:current_tso()
      end
      t:figure("sink_busy", busy)
      return ("SIGKILL after %s acknowledged transactions%s"):format(text.commas(load:stats().acked),
        busy and ", while the redo log was ahead of the secondary" or "")
    end)

    t:step("redo log, by drtest", function()
      died = t:now()
      local replay = drill.replay(t, secondary, store:url "redo/forth")
      local took = t:now() - died
      t:promote(load, secondary, function(held)
        local ledger = t.verify.ledger(load, secondary, { of = primary, point = replay.point, snapshot = held })
        local model = t.verify.model(load, secondary, { of = primary, point = replay.point, snapshot = held })
        exact("redo log", ledger, model, took, { "drtest redo apply on the secondary", "move the service there", "build a new primary from it" },
          "a changefeed with consistent.level = eventual, a store that outlives the primary")
        t:rpo(ledger)
      end)
      load:stop()
      return text.replayed(replay)
    end)

    t:step("secondary as it is", function()
      -- no log, no consistent point: it is told how torn it is
      local model = t.verify.model(load, secondary, { of = primary, before = true, snapshot = left })
      local ledger = t.verify.ledger(load, secondary, { of = primary, before = true, snapshot = left })
      left:release()
      t:check("as it is: its state can be determined", t:planning() or model.verdict ~= "unknown" and ledger.verdict ~= "unknown", model.evidence)
      local torn = model.torn > 0
      t:way { name = "secondary as it is", check = { verdict = model.verdict == "unknown" and "unknown" or torn and "fail" or "pass",
                evidence = ("%s transactions are there in part"):format(text.commas(model.torn)) },
              lost = ledger.lost, acked = ledger.acked, seconds = 0, steps = { "move the service there" }, needs = "a secondary" }
      t:figure("torn", model.torn)
      return torn and ("%s transactions are partly there: do not use this state"):format(text.commas(model.torn)) or "no transaction is partly there this time"
    end)

    -- the same secondary, as it was when the primary died, for the next way
    local function as_it_was()
      local from = t:now()
      secondary:flashback_cluster(state)
      return t:now() - from
    end

    if tidb then
      t:step("redo log, by cdc redo apply", function()
        local way = "redo log, by cdc redo apply"
        as_it_was()
        local from = t:now()
        local replay = secondary:apply_redo(store:url "redo/forth", { stock = true })
        local took = t:now() - from
        exact(way, t.verify.ledger(load, secondary, { of = primary, point = replay.point }),
          t.verify.model(load, secondary, { of = primary, point = replay.point }), took,
          { "cdc redo apply on the secondary", "move the service there", "build a new primary from it" },
          "a changefeed with consistent.level = eventual, a store that outlives the primary")
        return text.replayed(replay)
      end)

      t:step("last syncpoint and flashback", function()
        local way, needs = "last syncpoint and flashback", "enable-sync-point in the changefeed, a GC life time on the secondary longer than the interval"
        local what = { "read the last pair in tidb_cdc.syncpoint_v1", "FLASHBACK CLUSTER TO TSO its secondary_ts", "move the service there", "build a new primary from it" }
        as_it_was()
        local from = t:now()
        secondary:flashback_cluster(pair.secondary)
        local took = t:now() - from
        exact(way, t.verify.ledger(load, secondary, { of = primary, point = pair.primary }),
          t.verify.model(load, secondary, { of = primary, point = pair.primary }), took, what, needs)
        return ("to %s, which is %s on the primary"):format(tostring(pair.secondary), tostring(pair.primary))
      end)
    end

    t:step("full backup and redo log", function()
      local way, needs = "full backup and redo log", "full backups, a redo log that reaches back to the last one, a spare cluster"
      local what = { "restore the last full backup on a spare cluster", "drtest redo apply there", "move the service there", "build a second cluster" }
      local meta = t.redo.meta(store:url "redo/forth")
      -- the log begins at its checkpoint: what the secondary has is deleted from it
      if not t:planning() and meta.checkpoint_ts > backup.ts then
        t:way { name = way, closed = ("the redo log starts %s after the backup: TiCDC deletes what its secondary has"):format(
          text.seconds((meta.checkpoint_ts:ms() - backup.ts:ms()) / 1000)), steps = what, needs = needs }
        return "closed: the redo log starts after the backup"
      end
      local spare = t:cluster { name = "spare", ticdc = 0 }
      local from = t:now()
      spare:restore(backup)
      local point = spare:apply_redo(store:url "redo/forth").point
      local took = t:now() - from
      exact(way, t.verify.ledger(load, spare, { of = primary, point = point }), t.verify.model(load, spare, { of = primary, point = point }), took, what, needs)
    end)

    if keeps_log then
      t:step("full backup and log backup", function()
        local spare = t:cluster { name = "recovered", ticdc = 0 }
        local from, n, point = t:now(), nil, nil
        if tidb then
          point = spare:restore_point { full = backup, log = store:url "backup/log" }
        else
          spare:restore(backup)
          n, point = spare:roll_forward { of = primary, from = backup.ts, archived = true }
        end
        local took = t:now() - from
        exact("full backup and log backup", t.verify.ledger(load, spare, { of = primary, point = point }),
          t.verify.model(load, spare, { of = primary, point = point }), took,
          { "restore the last full backup on a spare cluster",
            "roll it forward with the log backup" .. (tidb and " (br restore point does both)" or ""), "move the service there", "build a second cluster" },
          "full backups, a log backup that runs (TiDB: br log start), a spare cluster")
        return n and ("%s transactions rolled forward"):format(text.commas(n)) or ("up to the log backup's checkpoint, %s"):format(tostring(point))
      end)
    end

    t:step("the primary again, from its disk", function()
      local way, needs = "the primary's own disk", "the disk"
      if opt.disk == "lost" then
        t:way { name = way, closed = "it was lost with the primary (--set disk=whole)", steps = { "start the primary again" }, needs = needs }
        return "closed: it is lost"
      end
      local from = t:now()
      primary:start()
      local took = t:now() - from
      local ledger, model = t.verify.ledger(load, primary, { of = primary }), t.verify.model(load, primary, { of = primary })
      exact(way, ledger, model, took, { "start the primary again", "the changefeed continues from its checkpoint" }, needs)
      return ("%s transactions lost"):format(text.commas(ledger.lost))
    end)

    t:step("which to take", function() return (t:advise()) end)
  end,
}
