-- A wrong statement reaches the primary, and the changefeed brings it to the secondary: no cluster is dead, and both are wrong. Found after a while, it is
-- undone in each way that the ground has, each from the same state; the report says what each costs and which to take.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

local wrong = {
  delete   = "DELETE FROM %s",
  update   = "UPDATE %s SET k = 0",
  truncate = "TRUNCATE TABLE %s",
  drop     = "DROP TABLE %s",
}
local kinds = { "delete", "update", "truncate", "drop" }

return scenario {
  name = "human_error",
  options = drill.options {
    statement  = { "any", "the wrong one: delete (without WHERE), update (without WHERE), truncate, drop; any: drawn by the seed",
                   choices = { "any", "delete", "update", "truncate", "drop" } },
    hits       = { "busy", "the table that it hits: busy (the load writes to it; of a drop its workers would die, so that one hits a quiet table) or quiet",
                   choices = { "busy", "quiet" } },
    found      = { "3s", "from the statement until somebody finds it and stops the writes" },
    held       = { false, "the secondary is held back: nothing reaches it from before the statement on, while the redo log goes on" },
    tables     = { 3,    "tables; the load writes to all but the last, which is the quiet one", min = 2, max = 10000 },
    soak       = { "3s", "write load before the statement" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, feed, link, hold
    local at, stopped, seconds_since -- the statement's commit; the last acknowledgement, and how long it came after it
    local kind = opt.statement == "any" and kinds[t:random(#kinds) + 1] or opt.statement
    local quiet = opt.hits == "quiet" or kind == "drop"
    local hit = ("sbtest.sbtest%d"):format(quiet and opt.tables or 1)
    local statement = wrong[kind]:format(hit)
    t:figure("statement", statement)
    if kind == "drop" and opt.hits == "busy" then t:note "a table that is missing is noticed at once where it is written: the drop hits the quiet one" end

    -- a cluster as the primary is now, for a way that changes it
    local function twin(name)
      local copy = t:cluster { name = name, ticdc = 0 }
      copy:restore(primary:backup(store:url("backup/" .. name)))
      return copy
    end

    -- everything up to just before the statement, nothing after it
    local function judge_point(way, cluster, point)
      local ledger = t:check(way .. ": nothing up to the point is missing, nothing after it is there",
        t.verify.ledger(load, cluster, { of = primary, point = point }))
      local model = t:check(way .. ": every row is exactly as it was at the point", t.verify.model(load, cluster, { of = primary, point = point }))
      return ledger, model
    end

    -- the table as it was, beside the one that is wrong, becomes it again where nobody has written since
    local function mend(cluster)
      if kind == "drop" then
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
      local ledger = t:check(way .. ": no acknowledged transaction is lost", t.verify.ledger(load, cluster, { of = primary }))
      if not quiet then t:check(way .. ": somebody who committed wrote each row", t.verify.rows(load, cluster, { of = primary })) end
      local model = t.verify.model(load, cluster, { of = primary })
      if quiet or model.verdict == "unknown" then t:check(way .. ": every row is as its transactions left it", model) end
      return ledger, { verdict = left == 0 and (quiet and model.verdict or "pass") or "fail", evidence = model.evidence }, model.rows_wrong
    end

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      if opt.held then link = t:link { "feed", secondary } end
      load = drill.load(t, primary, opt, { load_tables = opt.tables - 1 })
      feed, backup = drill.replicate(primary, secondary, store)
      t:caught_up(feed)
      t:redo_caught_up(feed)
    end)

    t:step("the wrong statement", function()
      t:sleep(opt.soak)
      if link then hold = t:fault { black_hole = link } end
      local rows, tries = nil, 0
      repeat -- under load it may lose a deadlock
        tries = tries + 1
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
      return ("%s (%s rows), found after %s; %s"):format(statement, text.commas(rows or 0), text.seconds(seconds_since),
        arrived and ("the secondary had it after %s"):format(text.seconds(arrived)) or "the secondary does not have it yet")
    end)

    local point = at:before()
    local window_ms = math.floor((seconds_since or 0) * 1000)

    t:step("the secondary, where it has not arrived", function()
      local way, needs = "the secondary's lag", "a changefeed with a redo log, and a secondary that lags or is held back"
      local what = { "stop the changefeed before the statement arrives", "drtest redo apply --until just before it, on the secondary",
                     "move the service there" }
      local from = t:now()
      if t:on_tidb() then feed:stop() else t:kill(primary, "changefeed") end
      if hold then hold:heal() end
      local meta = t.redo.meta(store:url "redo/forth")
      if not t:planning() and meta.checkpoint_ts >= at then
        t:way { name = way, closed = ("the statement had arrived before it was found, %s later"):format(text.seconds(seconds_since)), steps = what,
                needs = needs }
        return "closed: it has arrived"
      end
      local until_ts = not t:planning() and meta.resolved_ts < at and meta.resolved_ts or point
      secondary:apply_redo(store:url "redo/forth", { ["until"] = until_ts })
      local took = t:now() - from
      local ledger, model = judge_point(way, secondary, until_ts)
      t:way { name = way, check = { ledger, model }, lost = ledger.lost, acked = ledger.acked, window_ms = window_ms, wrong = model.rows_wrong, seconds = took,
              steps = what, needs = needs }
      return ("%s good transactions since are lost"):format(text.commas(ledger.lost))
    end)

    local past, past_took -- a cluster that stands just before the statement, and how long it took
    if not t:unsupported "roll_forward" then
      t:step("backup and binary log, up to just before it", function()
        local way = "point-in-time recovery"
        past = t:cluster { name = "recovered", ticdc = 0 }
        local from = t:now()
        past:restore(backup)
        local n = past:roll_forward { of = primary, from = backup.ts, ["until"] = point }
        local took = t:now() - from
        past_took = took
        local ledger, model = judge_point(way, past, point)
        t:way { name = way, check = { ledger, model }, lost = ledger.lost, acked = ledger.acked, window_ms = window_ms, wrong = model.rows_wrong,
                seconds = took, steps = { "restore the last full backup on a spare cluster", "roll it forward by the binary log up to just before the statement",
                          "move the service there", "build a new secondary" },
                needs = "full backups, the log of changes since, a spare cluster" }
        t:figure("rolled_forward", n)
        return ("%s transactions rolled forward, %s good ones since are lost"):format(text.commas(n), text.commas(ledger.lost))
      end)
    end

    t:step("the table as it was, put back in place", function()
      local way = t:on_tidb() and "stale read, merged" or "recovered table, merged"
      local from_stale = t:on_tidb()
      local mended = twin "mended"
      local from = t:now()
      mended:copy_table { from = from_stale and primary or past, table = hit, as = "sbtest.drtest_before", at = from_stale and point or nil }
      mend(mended)
      local took = t:now() - from + (from_stale and 0 or past_took)
      local ledger, check, rows_wrong = judge_mended(way, mended)
      t:way { name = way, check = { ledger, check }, lost = ledger.lost, acked = ledger.acked, wrong = rows_wrong, seconds = took,
              steps = { from_stale and "read the table as it was just before the statement (tidb_snapshot)" or
                          "restore the last full backup on a spare cluster, and roll it forward up to just before the statement",
                        "copy it beside the wrong one", "merge: what nobody wrote since is as it was" },
              needs = from_stale and "tidb_gc_life_time longer than it takes to find out" or "full backups, the log of changes since, a spare cluster" }
      return ("%s rows differ from what the good writes alone would have made"):format(text.commas(rows_wrong))
    end)

    if not t:unsupported "flashback" then
      t:step("that one transaction, reversed by the binary log", function()
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
        t:way { name = way, check = { ledger, check }, lost = ledger.lost, acked = ledger.acked, wrong = rows_wrong, seconds = took,
                steps = what, needs = needs }
        return ("%s rows differ from what the good writes alone would have made"):format(text.commas(rows_wrong))
      end)
    end

    t:step("which to take", function()
      t:figure("acked", stopped)
      return (t:advise())
    end)
  end,
}
