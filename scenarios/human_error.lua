-- A wrong statement reaches the primary and, through the changefeed, the secondary. It is undone in each way that the ground supports, from the same
-- state; the report compares what each way costs and recommends one.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

local wrong = {
  delete   = "DELETE FROM %s",
  update   = "UPDATE %s SET k = 0",
  truncate = "TRUNCATE TABLE %s",
  drop     = "DROP TABLE %s",
  drop_database = "DROP DATABASE archive",
}
local kinds = { "delete", "update", "truncate", "drop", "drop_database" }

return scenario {
  name = "human_error",
  options = drill.options {
    statement  = { "any", "the wrong statement: delete (without WHERE), update (without WHERE), truncate, drop, drop_database; any: chosen by the seed",
                   choices = { "any", "delete", "update", "truncate", "drop", "drop_database" } },
    hits       = { "busy", "the table that it hits: busy (the load writes to it; a drop always hits a quiet table, because the load's workers would fail) or quiet",
                   choices = { "busy", "quiet" } },
    found      = { "3s", "from the statement until somebody finds it and stops the writes" },
    held       = { false, "hold the secondary back: from before the statement nothing reaches it, while the redo log continues" },
    tables     = { 3,    "tables; the load writes to all but the last, which is the quiet one", min = 2, max = 10000 },
    soak       = { "3s", "write load before the statement" },
    log_flush  = { "15s", "TiDB: how often TiKV flushes the log backup (its own default is 3m); more than 10s", min = "11s" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, feed, link, hold
    local at, stopped, seconds_since -- the statement's commit; the last acknowledgement, and how long it came after it
    local before -- TiDB: a TSO before the statement
    local kind = opt.statement == "any" and kinds[t:random(#kinds) + 1] or opt.statement
    local quiet = opt.hits == "quiet" or kind == "drop" or kind == "drop_database"
    local quiet_table = ("sbtest.sbtest%d"):format(opt.tables)
    local ddl = kind ~= "delete" and kind ~= "update"
    local archive = kind == "drop_database" -- a database of its own, with a copy of the quiet table
    local hit = archive and "archive.kept" or quiet and quiet_table or "sbtest.sbtest1"
    local statement = wrong[kind]:format(hit)
    local tidb, keeps_log = t:on_tidb(), not t:unsupported "log_backup"
    t:figure("statement", statement)
    if kind == "drop" and opt.hits == "busy" then t:note "a table that is missing is noticed at once where it is written: the drop hits the quiet one" end

    -- a cluster as the primary is now, for a way that changes it: a copy; on TiDB the primary itself, which is flashed back behind it
    local state
    local function twin(name)
      if tidb then
        state = state or primary:current_tso()
        return primary
      end
      local copy = t:cluster { name = name, ticdc = 0 }
      copy:restore(primary:backup(store:url("backup/" .. name)))
      return copy
    end
    local function and_back()
      if tidb then primary:flashback_cluster(state) end
    end

    -- the archive is what the quiet table is
    local function judge_archive(way, cluster)
      if not archive then return end
      local same = cluster:query(("SELECT COUNT(*) FROM archive.kept a JOIN %s b USING (id) WHERE a.k = b.k AND a.c = b.c AND a.pad = b.pad"):format(quiet_table))
      local n = t:planning() and opt.table_size or tonumber(same[1][1])
      t:check(way .. ": the dropped database is there again, row by row", n == opt.table_size, ("%d of %d rows"):format(n, opt.table_size))
    end

    -- everything up to just before the statement, nothing after it; where nobody promises it, the table alone tells
    local function judge_point(way, cluster, point, no_promise)
      local check = no_promise and function(_, result) return result end or function(what, result) return t:check(way .. what, result) end
      local ledger = check(": nothing up to the point is missing, nothing after it is there", t.verify.ledger(load, cluster, { of = primary, point = point }))
      local model = check(": every row is exactly as it was at the point", t.verify.model(load, cluster, { of = primary, point = point }))
      if not no_promise then judge_archive(way, cluster) end
      return ledger, model
    end

    -- the table as it was, beside the one that is wrong, becomes it again where nobody has written since
    local function mend(cluster)
      if kind == "drop" or archive then
        if archive then cluster:sql "CREATE DATABASE archive" end
        cluster:sql(("RENAME TABLE sbtest.drtest_before TO %s"):format(hit))
        return
      elseif kind == "update" then
        cluster:sql(("UPDATE %s t JOIN sbtest.drtest_before b USING (id) SET t.k = b.k WHERE t.k = 0"):format(hit))
      else
        cluster:sql(("INSERT IGNORE INTO %s SELECT * FROM sbtest.drtest_before"):format(hit))
      end
      cluster:sql "DROP TABLE sbtest.drtest_before"
    end

    -- in place, all good writes are there; rows that they could not write to, since the statement had taken them, are counted
    local function judge_mended(way, cluster)
      local left = t:planning() and 0 or tonumber(cluster:query(kind == "update" and ("SELECT COUNT(*) FROM %s WHERE k = 0"):format(hit)
        or ("SELECT %d - COUNT(*) FROM %s"):format(opt.table_size, hit))[1][1])
      t:check(way .. ": nothing of the statement is left", left == 0, ("%d rows are still as it left them"):format(left))
      judge_archive(way, cluster)
      local ledger = t:check(way .. ": no acknowledged transaction is lost", t.verify.ledger(load, cluster, { of = primary }))
      if not quiet then t:check(way .. ": a committed transaction wrote each row", t.verify.rows(load, cluster, { of = primary })) end
      local model = t.verify.model(load, cluster, { of = primary })
      if quiet or model.verdict == "unknown" then t:check(way .. ": every row is as its transactions left it", model) end
      return ledger, { verdict = left == 0 and (quiet and model.verdict or "pass") or "fail", evidence = model.evidence }, model.rows_wrong
    end

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      if opt.held then link = t:link { "feed", secondary } end
      load = drill.load(t, primary, opt, { load_tables = opt.tables - 1 })
      if archive then
        primary:sql "CREATE DATABASE archive"
        primary:sql(("CREATE TABLE archive.kept LIKE %s"):format(quiet_table))
        primary:sql(("INSERT INTO archive.kept SELECT * FROM %s"):format(quiet_table))
      end
      if keeps_log and tidb then primary:log_backup(store:url "backup/log", { flush = opt.log_flush }) end
      feed, backup = drill.replicate(primary, secondary, store)
      t:caught_up(feed)
      t:redo_caught_up(feed)
      if keeps_log and tidb then
        t:eventually("the log backup has passed the full backup", t:timeout "1m", function()
          local there = primary:log_checkpoint()
          return backup.ts < there, ("its checkpoint is %s"):format(tostring(there))
        end)
      end
    end)

    t:step("the wrong statement", function()
      t:sleep(opt.soak)
      if link then hold = t:fault { black_hole = link } end
      local rows, tries = nil, 0
      repeat -- under load it may lose a deadlock
        tries = tries + 1
        if tidb then before = primary:current_tso() end
        local ok, why = t:attempt(function() rows, at = primary:commit(statement) end)
        if not ok and tries == 100 then t:check("the statement runs", false, why) end
      until ok or tries == 100
      local from, arrived = t:now(), nil
      local ms = t:duration(opt.found)
      t:wait_until("it is found", ms / 1000 + 60, function()
        if not arrived and feed:status().checkpoint_ts >= at then arrived = t:now() - from end
        return (t:now() - from) * 1000 >= ms
      end)
      load:stop()
      seconds_since = t:now() - from
      stopped = load:stats().acked
      if arrived then t:figure("arrived_ms", math.floor(arrived * 1000)) end
      local changed = ddl and "" or (" (%s rows)"):format(text.commas(rows or 0))
      return ("%s%s, found after %s; %s"):format(statement, changed, text.seconds(seconds_since),
        arrived and ("the secondary had it after %s"):format(text.seconds(arrived)) or "the secondary does not have it yet")
    end)

    -- a DDL of TiDB's has its effect before the TSO that its job ends at: the last instant without it is before its job began
    local point = tidb and ddl and before or at:before()
    local window_ms = math.floor((seconds_since or 0) * 1000)

    local function ran_there() -- a DDL: what it took is not there
      if t:planning() or not ddl then return false end
      local db, table_name = hit:match "^(.*)%.(.*)$"
      local there = #secondary:query(("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '%s' AND TABLE_NAME = '%s'"):format(db, table_name)) > 0
      return not there or kind == "truncate" and tonumber(secondary:query("SELECT COUNT(*) FROM " .. hit)[1][1]) < opt.table_size
    end

    t:step("the secondary's lag", function()
      local way, needs = "the secondary's lag", "a changefeed with a redo log, and a secondary that lags or is held back"
      local what = { "stop the changefeed before the statement arrives", "drtest redo apply --until just before it, on the secondary", "move the service there" }
      local from = t:now()
      if tidb then feed:stop() else t:kill(primary, "changefeed") end
      if hold then hold:heal() end
      local meta = t.redo.meta(store:url "redo/forth")
      if not t:planning() and meta.checkpoint_ts >= at then
        t:way { name = way, closed = ("the statement had arrived before it was found, %s later"):format(text.seconds(seconds_since)), steps = what, needs = needs }
        return "closed: it has arrived"
      end
      local until_ts = not t:planning() and meta.resolved_ts < at and meta.resolved_ts or at:before()
      secondary:apply_redo(store:url "redo/forth", { ["until"] = until_ts })
      local took = t:now() - from
      if ran_there() then -- a changefeed's checkpoint moves behind its DDL only when that has ended
        t:way { name = way, closed = "the statement had run there, though the changefeed's checkpoint lay before it", steps = what, needs = needs }
        return "closed: it has run there"
      end
      -- a secondary that is not held back may have rows of behind the statement, though the checkpoint lies before it
      local ledger, model = judge_point(way, secondary, until_ts, not opt.held)
      t:way { name = way, check = { ledger, model }, lost = ledger.lost, acked = ledger.acked, window_ms = window_ms, wrong = model.rows_wrong, seconds = took,
              steps = what, needs = needs }
      return ("%s good transactions since are lost"):format(text.commas(ledger.lost))
    end)

    local past, past_took -- a cluster that stands just before the statement, and how long it took
    if not t:unsupported "roll_forward" then
      t:step("point-in-time recovery", function()
        local way = "point-in-time recovery"
        past = t:cluster { name = "recovered", ticdc = 0 }
        local from = t:now()
        past:restore(backup)
        local n = past:roll_forward { of = primary, from = backup.ts, ["until"] = point }
        local took = t:now() - from
        past_took = took
        local ledger, model = judge_point(way, past, point)
        t:way { name = way, check = { ledger, model }, lost = ledger.lost, acked = ledger.acked, window_ms = window_ms, wrong = model.rows_wrong, seconds = took,
                steps = { "restore the last full backup on a spare cluster", "roll it forward with the binary log to just before the statement",
                          "move the service there", "build a new secondary" },
                needs = "full backups, the log of changes since, a spare cluster" }
        t:figure("rolled_forward", n)
        return ("%s transactions rolled forward, %s good ones since are lost"):format(text.commas(n), text.commas(ledger.lost))
      end)
    end

    if keeps_log and tidb then
      t:step("point-in-time recovery", function()
        local way = "point-in-time recovery"
        local recovered = t:cluster { name = "recovered", ticdc = 0 }
        local from = t:now()
        -- what TiKV has not flushed is in no log yet
        t:eventually("the log backup has passed the statement", t:timeout "1m", function()
          local there = primary:log_checkpoint()
          return at < there, ("its checkpoint is %s"):format(tostring(there))
        end)
        local waited = t:now() - from
        recovered:restore_point { full = backup, log = store:url "backup/log", ["until"] = point }
        local took = t:now() - from
        local ledger, model = judge_point(way, recovered, point)
        t:way { name = way, check = { ledger, model }, lost = ledger.lost, acked = ledger.acked, window_ms = window_ms, wrong = model.rows_wrong, seconds = took,
                steps = { "wait until the log backup's checkpoint has passed the statement (br log status)",
                          "br restore point --restored-ts just before the statement, on a spare cluster", "move the service there", "build a new secondary" },
                needs = "full backups, a log backup that runs (br log start), a spare cluster" }
        return ("%s of it for the log's checkpoint; %s good transactions since are lost"):format(text.seconds(waited), text.commas(ledger.lost))
      end)
    end

    t:step("the recovered table, merged", function()
      local way = tidb and "stale read, merged" or "recovered table, merged"
      local from_stale = tidb
      local mended = twin "mended"
      local from = t:now()
      mended:copy_table { from = from_stale and primary or past, table = hit, as = "sbtest.drtest_before", at = from_stale and point or nil }
      mend(mended)
      local took = t:now() - from + (from_stale and 0 or past_took)
      local ledger, check, rows_wrong = judge_mended(way, mended)
      and_back()
      t:way { name = way, check = { ledger, check }, lost = ledger.lost, acked = ledger.acked, wrong = rows_wrong, seconds = took,
              steps = { from_stale and "read the table as it was just before the statement (tidb_snapshot)" or
                          "restore the last full backup on a spare cluster, and roll it forward up to just before the statement",
                        "copy it next to the wrong one", "merge: what nobody wrote since is as it was" },
              needs = from_stale and "tidb_gc_life_time longer than it takes to find out" or "full backups, the log of changes since, a spare cluster" }
      return ("%s rows differ from what the good writes alone would have made"):format(text.commas(rows_wrong))
    end)

    if tidb then
      t:step("FLASHBACK TABLE or DATABASE", function()
        local way = archive and "FLASHBACK DATABASE" or kind == "truncate" and "FLASHBACK TABLE, merged" or "FLASHBACK TABLE"
        local needs = "tidb_gc_life_time longer than it takes to find out"
        local what = { archive and "FLASHBACK DATABASE" or kind == "truncate" and "FLASHBACK TABLE … TO another name" or "FLASHBACK TABLE",
                       kind == "truncate" and "merge: what nobody wrote since is as it was" or nil }
        if not ddl then
          t:way { name = way, closed = "it undoes a DROP or a TRUNCATE, but this was a " .. kind:upper() .. " is none", steps = what, needs = needs }
          return "closed: no DDL"
        end
        local mended = twin "flashed"
        local from = t:now()
        if archive then
          mended:sql "FLASHBACK DATABASE archive"
        elseif kind == "drop" then
          mended:sql("FLASHBACK TABLE " .. hit)
        else
          mended:sql(("FLASHBACK TABLE %s TO drtest_before"):format(hit))
          mend(mended)
        end
        local took = t:now() - from
        local ledger, check, rows_wrong = judge_mended(way, mended)
        and_back()
        t:way { name = way, check = { ledger, check }, lost = ledger.lost, acked = ledger.acked, wrong = rows_wrong, seconds = took, steps = what, needs = needs }
        return ("%s rows differ from what the good writes alone would have made"):format(text.commas(rows_wrong))
      end)

      t:step("FLASHBACK CLUSTER", function()
        local way = "FLASHBACK CLUSTER"
        local mended = twin "back"
        local from = t:now()
        mended:flashback_cluster(point)
        local took = t:now() - from
        local ledger, model = judge_point(way, mended, point)
        t:way { name = way, check = { ledger, model }, lost = ledger.lost, acked = ledger.acked, window_ms = window_ms, wrong = model.rows_wrong, seconds = took,
                steps = { "FLASHBACK CLUSTER TO TSO just before the statement: every session is disconnected, no writes during it",
                          "let the changefeed replicate it to the secondary, or rebuild the secondary" },
                needs = "tidb_gc_life_time longer than it takes to find out" }
        return ("%s good transactions since are lost"):format(text.commas(ledger.lost))
      end)
    end

    if not t:unsupported "flashback" then
      t:step("the transaction, reversed", function()
        local way, needs = "transaction reversed", "row images in the binary log (binlog_row_image = FULL)"
        local what = { "find the transaction in the binary log", "mariadb-binlog --flashback of it, into the primary" }
        local reversed = twin "reversed"
        local from = t:now()
        local ok, why = t:attempt(function() reversed:flashback { of = primary, at = at } end)
        local took = t:now() - from
        if not ok then
          local reason = why:find("DDL", 1, true) and "a DDL has no rows in the binary log to reverse" or
            (why:find("1062", 1, true) or why:find("1032", 1, true)) and "rows have been written since: the reverse would collide with them" or why
          t:check(way .. ": refused whole, nothing of it is done", t:planning() or ok or
            why:find("DDL", 1, true) ~= nil or why:find("1062", 1, true) ~= nil or why:find("1032", 1, true) ~= nil, why)
          t:check(way .. ": the refused one left the cluster as it was", t.verify.same(primary, reversed))
          t:way { name = way, closed = reason, steps = what, needs = needs }
          return "closed: " .. reason
        end
        local ledger, check, rows_wrong = judge_mended(way, reversed)
        t:way { name = way, check = { ledger, check }, lost = ledger.lost, acked = ledger.acked, wrong = rows_wrong, seconds = took, steps = what, needs = needs }
        return ("%s rows differ from what the good writes alone would have made"):format(text.commas(rows_wrong))
      end)
    end

    t:step("which to take", function()
      t:figure("acked", stopped)
      return (t:advise())
    end)
  end,
}
