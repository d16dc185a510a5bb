-- A pair of clusters deployed with `tiup cluster`, as seen from the control machine:
--
--   drtest doctor --on attach --clusters examples/tiup-cluster.lua     checks all that a run needs; it only reads
--   DB_PASSWORD=… STORE_KEY=… STORE_SECRET=… drtest run scenarios/rehearse.lua --on attach --clusters examples/tiup-cluster.lua
--
-- It is Lua without libraries: a table, and env "NAME" for secrets. drtest does only what this file allows.
local keys = "?access-key=" .. env "STORE_KEY" .. "&secret-access-key=" .. env "STORE_SECRET" ..
             "&endpoint=http://10.0.1.30:9000&force-path-style=true"
local tls = { ca = "/etc/tidb/ca.pem", cert = "/etc/tidb/client.pem", key = "/etc/tidb/client-key.pem" }

return {
  -- where a run may store its own data (under its own prefix); reachable from TiKV, TiCDC and this machine
  store = "s3://drtest/runs" .. keys,
  -- the redo log of the existing changefeed; it is only read
  redo = "s3://redo/primary-to-secondary" .. keys,
  -- the ID of the changefeed that writes it, for scenarios/live_failover.lua
  changefeed = "primary-to-secondary",
  -- the time zone of TiCDC (its --tz, or that of its machine): its log has TIMESTAMPs as text without a time zone
  redo_time_zone = "+00:00",

  -- production: read, and backed up (RATE_LIMIT 120 MB/s); never written to, never killed
  -- (with "gc" in addition, a rehearsal holds garbage collection, and may take longer than tidb_gc_life_time)
  primary = {
    sql = { host = "10.0.1.10", port = 4000, user = "drtest", password = env "DB_PASSWORD" },
    pd = "https://10.0.1.11:2379", ticdc = "https://10.0.1.12:8300", status = "https://10.0.1.10:10080", tls = tls,
    allow = { "backup" },
  },
  secondary = {
    sql = { host = "10.0.2.10", port = 4000, user = "drtest", password = env "DB_PASSWORD" },
    pd = "https://10.0.2.11:2379", tls = tls,
  },

  -- for --set replay=both, which also replays the log with `cdc redo apply` on a copy of the secondary: an empty cluster with this name
  -- ["secondary-twin"] = { sql = { host = "10.0.4.10", port = 4000, user = "root" }, pd = "http://10.0.4.11:2379", expendable = true },

  -- a small cluster for the rehearsal; destroyed at the end if this run has started it or restored anything into it
  scratch = {
    sql = { host = "10.0.3.10", port = 4000, user = "root" },
    pd = "http://10.0.3.11:2379", status = "http://10.0.3.10:10080",
    expendable = true,
    cluster_id = "7712997407283468988", -- of PD (`drtest doctor --clusters FILE` prints it): drtest refuses any other cluster at this address
    commands = {
      start = { "tiup", "cluster", "start", "dr-scratch", "--yes" },
      kill = { "tiup", "cluster", "exec", "dr-scratch", "--command", "pkill -9 'tidb-server|tikv-server|pd-server|cdc'", "--yes" },
      destroy = { "tiup", "cluster", "clean", "dr-scratch", "--all", "--yes" },
    },
  },
}
