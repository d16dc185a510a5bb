-- What drills set up and judge in the same way: local drill = require "drtest.drill". It is part of the program, so a scenario finds it wherever it lies.
-- A drill that differs in one of these says that part itself, as failover.lua says all of it.
local drill = {}

-- The options of the load, with the scenario's own beside them or in their place.
function drill.options(own)
  local all = {
    tables     = { 2,   "tables", min = 1, max = 10000 },
    table_size = { 500, "rows of each", min = 1, max = 2147483647 },
    workers    = { 8,   "connections of the load", min = 1, max = 100000 },
    rate       = { 100, "transactions per second of all connections together", max = 10000000 },
  }
  for name, option in pairs(own or {}) do all[name] = option end
  return all
end

-- sysbench's write load, prepared and started on the cluster; more: further fields of t:load.
function drill.load(t, cluster, opt, more)
  local o = { "oltp_write_only", tables = opt.tables, table_size = opt.table_size, workers = opt.workers, rate = opt.rate }
  for name, value in pairs(more or {}) do o[name] = value end
  local load = t:load(o)
  load:prepare { on = cluster }
  load:start { on = cluster }
  return load
end

-- A full copy of the primary on the secondary, and the changefeed from BackupTS on, with its redo log. name: of the changefeed and of its log. Garbage
-- collection stays held. Returns the changefeed and the backup.
function drill.replicate(primary, secondary, store, name, more)
  primary:set_gc(false)
  local backup = primary:backup(store:url "backup/full")
  secondary:restore(backup)
  local o = { id = name or "primary-to-secondary", sink = secondary, start_ts = backup.ts, redo = store:url("redo/" .. (name or "forth")) }
  for field, value in pairs(more or {}) do o[field] = value end
  return primary:changefeed(o), backup
end

-- A DDL on a table that the load writes to. One that waits for a row's lock holder, who waits for another that waits behind the DDL, is a deadlock that
-- nobody sees: it gives up after a second and is tried again, as an operator would. is_over(): it need not succeed any more.
function drill.ddl(t, cluster, statement, is_over)
  for _ = 1, 60 do
    local ok, why = t:attempt(function() return cluster:sql(statement, { lock_wait = "1s" }) end)
    if ok or (is_over and is_over()) then return end
    if not why:find("1205", 1, true) then t:check("the DDL is accepted", false, why) return end
  end
  t:check("the DDL gets its lock", false, "not in 60 tries")
end

-- The replay after a disaster: its part of the RTO begins.
function drill.replay(t, cluster, uri)
  t:phase "replay"
  return cluster:apply_redo(uri)
end

-- What a replay owes, and the RPO: o = { of = the cluster that took the transactions, point = where the replay ended, snapshot }. Returns the ledger's check.
function drill.judge(t, load, cluster, o)
  local ledger = t.verify.ledger(load, cluster, o)
  t:check("nothing up to the replay point is missing, nothing after it is there", ledger)
  t:check("every row is exactly as it was at the replay point", t.verify.model(load, cluster, o))
  t:rpo(ledger)
  return ledger
end

-- Service moves to the cluster, which is judged as it was before the first write there. Returns the ledger's check.
function drill.promote(t, load, cluster, o)
  local ledger
  t:promote(load, cluster, function(snapshot)
    ledger = drill.judge(t, load, cluster, { of = o.of, point = o.point, snapshot = snapshot })
  end)
  return ledger
end

-- The load stops; what it wrote on the promoted cluster is judged too.
function drill.stop(t, load, cluster)
  load:stop()
  t:check("every row is as all its transactions left it", t.verify.model(load, cluster, { of = cluster }))
end

-- Waits until the changefeed has brought over all that the cluster has committed by now; name: of the check.
function drill.drain(t, feed, cluster, name, within)
  local last = cluster:position()
  t:eventually(name, t:timeout(within or "1m"), function() return feed:reached(last) end)
end

return drill
