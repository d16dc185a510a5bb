-- The primary dies under write load. The secondary replays the redo log and takes over; a new primary is built from it, catches up, and takes the
-- service back.
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "failover",
  promotes = true,
  options = {
    tables      = { 10,    "tables to prepare", min = 1, max = 10000 },
    table_size  = { 10000, "rows of each", min = 1, max = 2147483647 },
    load_tables = { 3,     "tables that the load writes to; all if there are fewer", max = 10000 },
    workers     = { 10,    "connections of the load", min = 1, max = 100000 },
    rate        = { 100,   "transactions per second of all connections together; 0: no limit", max = 10000000 },
    soak        = { "20s", "write load before the disaster" },
    forensic    = { true,  "compare the dead primary's disk with the secondary, and write out what was lost" },
    instant     = { "busy", "when the disaster happens, chosen by the seed: busy (while the secondary has part of a flush) or any",
                    choices = { "busy", "any" } },
    store_port  = { 6060,  "port of the store; a free one if it is in use", max = 65535 },
  },
  run = function(t, opt)
    local store, primary, secondary, new_primary, load, backup, feed, acked, replay, held, sink, torn

    -- The checks read the secondary as it was held before the replay, and before the first write of the service.
    local function judge(replayed)
      local before = t.verify.model(load, secondary, { of = primary, before = true, snapshot = torn })
      torn:release()
      local ledger = t.verify.ledger(load, secondary, { of = primary, point = replay.point, snapshot = replayed })
      t:check("nothing up to the replay point is missing, nothing after it is there", ledger)
      local after = t.verify.model(load, secondary, { of = primary, point = replay.point, snapshot = replayed })
      t:check("every row is exactly as it was at the replay point", after)
      t:rpo(ledger)
      t:figure("before_replay", before.evidence)
      t:figure("torn_before", before.torn)
      t:figure("torn_after", after.torn)
      if before.verdict ~= "unknown" and before.torn == 0 then
        t:note "no transaction was torn before the replay: this drill had little to repair (another --seed chooses another moment)"
      end
      local took = before.seconds + ledger.seconds + after.seconds
      t:figure("check_s", took)
      return ("%s, judged in %s"):format(text.torn(before, after), text.seconds(took))
    end

    t:step("set up the environment", function()
      store = t:store { buckets = { "backup", "redo" }, port = opt.store_port }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      -- TiCDC does not tell when it writes: a proxy before the secondary sees its flushes pass
      if t:on_tidb() and t:can_link() and opt.instant == "busy" then sink = t:link { "feed", secondary } end
      load = t:load { "oltp_write_only", tables = opt.tables, table_size = opt.table_size, load_tables = math.min(opt.load_tables, opt.tables),
                      workers = opt.workers, rate = opt.rate }
      load:prepare { on = primary }
      load:start { on = primary }
      return ("%s  %s  store %s"):format(tostring(primary), tostring(secondary), tostring(store))
    end)

    t:step("migrate full data", function()
      primary:set_gc(false)
      backup = primary:backup(store:url "backup/full")
      secondary:restore(backup)
      local same = t:check("the secondary equals the primary at BackupTS", t.verify.sums(secondary, backup))
      return ("%s, BackupTS %s; secondary equals primary at BackupTS"):format(text.compared(same), tostring(backup.ts))
    end)

    t:step("migrate incremental data", function()
      feed = primary:changefeed { id = "primary-to-secondary", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
      primary:set_gc(true)
      t:caught_up(feed)
      t:redo_caught_up(feed)
      return ("changefeed %s, lag %s"):format(tostring(feed), text.seconds(feed:lag_ms() / 1000))
    end)

    t:step("disaster in the primary", function()
      t:sleep(opt.soak)
      if opt.instant == "any" then t:sleep(t:random_time "2200ms") end -- within two seconds the redo log is flushed
      local busy
      if sink then
        -- of the next flush one connection goes ahead and the others wait: a part of it is committed, and what waits never arrives
        local single = t:fault { single = sink }
        local when = { split = sink }
        local cut = t:fault { cut = sink, when = when }
        local kill = t:disaster { kill = primary, when = when } -- RTO starts here
        busy = t:attempt(function() kill:wait "20s" end)
        if not busy then
          kill:heal()
          t:disaster { kill = primary }
        end
        cut:heal()
        single:heal()
      else
        busy = t:disaster { kill = primary, while_busy = opt.instant == "busy" and feed or nil } -- RTO starts here
      end
      load:wait_disconnected()
      acked = load:stats().acked
      t:figure("acked", acked)
      t:figure("sink_busy", busy)
      return ("SIGKILL after %s acknowledged transactions%s"):format(text.commas(acked),
        not busy and "" or sink and ", in the middle of a flush to the secondary" or t:on_tidb() and ", while the redo log was ahead of the secondary"
          or ", while the secondary had part of a flush")
    end)

    t:step("replay the redo log", function()
      torn = t.verify.snapshot(secondary, load)
      t:phase "replay"
      replay = t:replay(secondary, store:url "redo/forth", store)
      t:phase "promote"
      if opt.forensic then held = t.verify.snapshot(secondary) end
      t:figure("replayed_rows", replay.rows)
      t:figure("replayed_transactions", replay.transactions)
      return text.replayed(replay)
    end)

    t:step("recover the primary and services", function()
      local served, judged = t:promote(load, secondary, judge) -- RTO ends with its first write
      t:moved(primary, secondary, served)

      -- a new primary is filled from the secondary, which goes on serving
      new_primary = t:cluster { name = "new-primary" }
      secondary:set_gc(false)
      local again = secondary:backup(store:url "backup/back", { br = t:uses_br() })
      new_primary:restore(again)
      t:check("the new primary equals the secondary at BackupTS", t.verify.sums(new_primary, again))
      local back = secondary:changefeed { id = "secondary-to-new-primary", sink = new_primary, start_ts = again.ts, redo = store:url "redo/back" }
      secondary:set_gc(true)
      t:caught_up(back, "the new primary's changefeed")
      t:recovered "redundant"

      -- the dead primary's disk is asked, apart from everything, now that all is served and redundant
      if held then
        local disk = t.verify.forensic(load, primary, held, { point = replay.point })
        t:check("the dead primary's disk agrees with the secondary at the replay point", disk)
        t:figure("lost_on_disk", disk.lost)
      end

      -- service moves back without loss: writes stop, the rest arrives, both are equal, writes start
      load:stop()
      local last = secondary:position()
      t:eventually("the new primary has all that the secondary has", t:timeout "1m", function() return back:reached(last) end)
      back:stop()
      t:check("the new primary equals the secondary", t.verify.same(secondary, new_primary))
      local start_ts = new_primary:current_tso()
      load:start { on = new_primary }
      t:moved(secondary, new_primary, load:first_ack())

      -- and the secondary is a secondary again
      feed = new_primary:changefeed { id = "new-primary-to-secondary", sink = secondary, start_ts = start_ts, redo = store:url "redo/again" }
      t:sleep "2s"
      t:caught_up(feed)
      local lag = feed:lag_ms()
      load:stop()
      last = new_primary:position()
      t:eventually("the secondary has all that the new primary has", t:timeout "1m", function() return feed:reached(last) end)
      feed:stop()
      t:check("the secondary equals the new primary", t.verify.same(new_primary, secondary))
      t:check("no write that the secondary acknowledged is lost", t.verify.ledger(load, secondary, { of = secondary }))
      t:check("no write that the new primary acknowledged is lost", t.verify.ledger(load, new_primary, { of = new_primary }))
      t:check("every row of the new primary is as its transactions left it", t.verify.model(load, new_primary, { of = new_primary }))
      return ("%s; new primary equals the secondary; changefeed lag %s"):format(judged, text.seconds(lag / 1000))
    end)
  end,
}
