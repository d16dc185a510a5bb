-- The primary dies at a moment chosen by the seed: in the backup, the restore, the catch-up, steady state, a DDL or a flush of the redo log. The
-- secondary must then be at one point of the primary's history, and lose no more than promised.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

local phases = { "backup", "restore", "catch-up", "steady", "ddl", "flush" }
local flush_ms, meta_ms = 2000, 200 -- TiCDC's defaults: rows and meta of the redo log

return scenario {
  name = "primary_kill_sweep",
  promotes = true,
  needs = { "store", "kill", "link" },
  options = drill.options {
    phase      = { "any", "when the primary dies; any: chosen by the seed", choices = { "any", "backup", "restore", "catch-up", "steady", "ddl", "flush" } },
    soak       = { "3s",  "length of the steady state in which the disaster can happen" },
    lag        = { "3s",  "allowed lag of the changefeed beyond its flush interval" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, feed, to_store, disaster
    local phase = opt.phase == "any" and phases[t:random(#phases) + 1] or opt.phase
    local ddls = {}
    t:figure("phase", phase)

    -- Whatever is under way when the primary dies is cut short, or goes on without it.
    local function strike(o)
      o.kill = primary
      disaster = t:disaster(o)
    end

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      to_store = t:link { "feed", store }
      load = drill.load(t, primary, opt)
      t:sleep "300ms"
      return "the primary dies: " .. phase
    end)

    t:step("full data", function()
      primary:set_gc(false)
      if phase == "backup" then
        strike { at = t:random_time "400ms" }
        local ok, result = t:attempt(function() return primary:backup(store:url "backup/full", { rate_mb = 0.2 }) end)
        disaster:wait()
        backup = ok and result or nil
        return ok and "the backup was complete before the disaster" or "the backup was interrupted"
      end
      backup = primary:backup(store:url "backup/full")
      if phase == "restore" then strike { at = t:random_time "80ms" } end
      secondary:restore(backup)
      if phase == "restore" then disaster:wait() end
      return ("%s rows, BackupTS %s"):format(text.commas(backup.rows), tostring(backup.ts))
    end)

    if phase ~= "backup" and phase ~= "restore" then
      t:step("changefeed", function()
        if phase == "catch-up" then t:sleep "1s" end
        feed = primary:changefeed { id = "primary-to-secondary", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
        if phase == "catch-up" then
          strike { at = t:random_time "1s" }
        else
          -- until the log has advanced once, the changefeed catches up: what it promises begins after that
          t:eventually("the redo log advances", t:timeout "1m", function() return feed:status().resolved_ts > backup.ts end)
          t:redo_caught_up(feed)
        end
        if phase == "steady" then strike { at = t:random_time("500ms", opt.soak) } end
        if phase == "flush" then strike { when = { request = to_store, match = "_row_", nth = 1 + t:random(2), after_bytes = t:random(3000) } } end
        if phase == "ddl" then
          -- one column after the other into a table that the load writes to, until the primary is gone
          t:sleep(t:random_time("500ms", "2s"))
          strike { at = t:random_time "1s" }
          t:attempt(function()
            for i = 1, 60 do
              local ddl = { before = primary:current_tso() }
              ddls[i] = ddl
              primary:sql(("ALTER TABLE sbtest.sbtest1 ADD COLUMN extra%d INT NULL"):format(i))
              ddl.after = primary:current_tso()
              if disaster:happened() then return end
            end
          end)
        end
        disaster:wait "30s"
        return ("SIGKILL while the load ran%s"):format(#ddls > 0 and (", in DDL %d"):format(#ddls) or "")
      end)
    end

    t:step("recover", function()
      load:wait_disconnected()
      local acked = load:stats().acked
      t:figure("acked", acked)
      if not backup then
        -- nothing was complete: that is said, and half a backup is never taken for a whole one
        local ok, why = t:attempt(function() return secondary:restore(store:url "backup/full") end)
        t:check("an incomplete backup is refused", not ok, why)
        t:note(("the primary died before its first backup was complete: all %s acknowledged transactions are lost"):format(text.commas(acked)))
        t:figure("recovered_from", "nothing")
        return why
      end
      local point = backup.ts
      if feed then
        local replay = drill.replay(t, secondary, store:url "redo/forth")
        point = replay.point
        t:figure("replayed_rows", replay.rows)
      elseif phase == "backup" then
        t:phase "replay"
        secondary:restore(backup)
      end
      local ledger
      t:promote(load, secondary, function(held)
        ledger = t.verify.ledger(load, secondary, { of = primary, point = point, snapshot = held })
        t:check("nothing up to the recovered point is missing, nothing after it is there", ledger)
        t:check("every row is exactly as it was at that point", t.verify.model(load, secondary, { of = primary, point = point, snapshot = held }))
        t:rpo(ledger)
      end)
      drill.stop(t, load, secondary)
      t:figure("recovered_from", feed and "the redo log" or "the backup")
      if feed and phase ~= "catch-up" then
        local promised = flush_ms + meta_ms + t:duration(opt.lag)
        t:check_within("what is lost is younger than the flush interval and the lag", ledger.window_ms, promised,
          ("the oldest lost acknowledgement is %d ms before the disaster, promised are %d ms"):format(ledger.window_ms, promised))
      end
      if #ddls > 0 then
        -- each DDL that ended at or before the point is there, none that began after it is, and there is no gap
        local rows = secondary:query "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'sbtest' AND TABLE_NAME = 'sbtest1'"
        local there, n, wrong = {}, 0, nil
        for _, row in ipairs(rows) do
          local i = tonumber(row[1]:match "^extra(%d+)$")
          if i then there[i], n = true, n + 1 end
        end
        for i, ddl in ipairs(ddls) do
          if there[i] and ddl.before > point then wrong = ("DDL %d is there, it began after the point"):format(i) end
          if not there[i] and ddl.after and ddl.after <= point then wrong = ("DDL %d is not there, it ended before the point"):format(i) end
          if there[i] and i > n then wrong = ("DDL %d is there, one before it is not"):format(i) end
        end
        t:check("the DDLs are those up to the point", wrong == nil, wrong or ("%d of %d DDLs"):format(n, #ddls))
      end
      return ("%s of %s acknowledged transactions lost, the oldest %d ms before the disaster"):format(text.commas(ledger.lost), text.commas(acked),
        ledger.window_ms)
    end)
  end,
}
