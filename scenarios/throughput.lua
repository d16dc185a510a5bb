-- Measures the highest throughput of load, backup, restore, changefeed and replay, each alone: a table to compare from night to night.
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "throughput",
  options = {
    tables     = { 4,      "tables to prepare", min = 1, max = 10000 },
    table_size = { 25000,  "rows of each", min = 1, max = 2147483647 },
    workers    = { 16,     "connections of the load", min = 1, max = 100000 },
    time       = { "10s",  "how long the load runs at full speed" },
    threads    = { 4,      "connections of backup and restore", min = 1, max = 64 },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, clock
    local rows, position, start_ts

    -- what a figure is called, what it says
    local function figure(name, value, unit)
      t:figure(name, math.floor(value * 100 + 0.5) / 100)
      return ("%s %s"):format(text.commas(math.floor(value + 0.5)), unit)
    end
    local function seconds_of(f)
      local from = t:now()
      f()
      return math.max(t:now() - from, 0.001)
    end

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = t:load { "oltp_write_only", tables = opt.tables, table_size = opt.table_size, workers = opt.workers, rate = 0, rand_type = "uniform" }
      load:prepare { on = primary }
      primary:set_gc(false)
      return ("%s rows; %s  %s  store %s"):format(text.commas(opt.tables * opt.table_size), tostring(primary), tostring(secondary), tostring(store))
    end)

    t:step("backup, nothing else", function()
      clock = seconds_of(function() backup = primary:backup(store:url "backup/full", { threads = opt.threads }) end)
      if t:planning() then return end
      return figure("backup_rows_per_s", backup.rows / clock, "rows/s") .. ("  %s"):format(text.seconds(clock))
    end)

    t:step("restore, nothing else", function()
      clock = seconds_of(function() secondary:restore(backup, { threads = opt.threads }) end)
      if t:planning() then return end
      return figure("restore_rows_per_s", backup.rows / clock, "rows/s") .. ("  %s"):format(text.seconds(clock))
    end)

    t:step("load, nothing else", function()
      start_ts = backup.ts
      load:start { on = primary }
      load:interval()
      t:sleep(opt.time)
      local seen = load:interval()
      load:stop()
      position = primary:position()
      if t:planning() then return end
      t:figure("load_p99_ms", seen.p99)
      return figure("load_tps", seen.tps, "transactions/s") .. ("  p50 %.2f ms, p99 %.2f ms"):format(seen.p50, seen.p99)
    end)

    -- What the load wrote waits in the binary log.
    t:step("changefeed, nothing else", function()
      local feed
      clock = seconds_of(function()
        feed = primary:changefeed { id = "throughput", sink = secondary, start_ts = start_ts, redo = store:url "redo/applied" }
        t:eventually("all is on the secondary", "10m", function() return feed:reached(position) end)
      end)
      if t:planning() then return end
      rows = feed:status().rows
      feed:stop()
      t:check("the secondary equals the primary", t.verify.same(primary, secondary))
      return figure("changefeed_rows_per_s", rows / clock, "rows/s") .. ("  %s rows in %s"):format(text.commas(rows), text.seconds(clock))
    end)

    -- A third cluster stands still while the log fills, so the log holds what was never applied.
    t:step("replay, nothing else", function()
      local spare = t:cluster { name = "spare" }
      spare:restore(backup, { threads = opt.threads })
      local last = primary:current_tso()
      local feed = primary:changefeed { id = "waiting", sink = spare, start_ts = start_ts, redo = store:url "redo/waiting" }
      t:eventually("the changefeed has begun", t:timeout "1m", function() return t:planning() or feed:status().resolved_ts > start_ts end)
      spare:pause()
      t:eventually("all is in the redo log", t:timeout "2m", function() return t:planning() or feed:status().resolved_ts >= last end)
      t:disaster { kill = primary }
      spare:resume()
      local replay
      clock = seconds_of(function() replay = spare:apply_redo(store:url "redo/waiting") end)
      if t:planning() then return end
      t:check("what was replayed is all that was acknowledged", t.verify.ledger(load, spare, { of = primary, point = replay.point }))
      t:check("every row is exactly as it was at the replay point", t.verify.model(load, spare, { of = primary, point = replay.point }))
      t:figure("replay_transactions_per_s", math.floor(replay.transactions / clock))
      return figure("replay_rows_per_s", replay.rows / clock, "rows/s") .. ("  %s rows of %s transactions in %s"):format(text.commas(replay.rows),
        text.commas(replay.transactions), text.seconds(clock))
    end)
  end,
}
