-- A pair that `tiup cluster` deployed, seen from the control machine:
--
--   drtest doctor --on attach --clusters examples/tiup-cluster.lua     all that a run would need of these clusters; they are only read
--   DB_PASSWORD=… STORE_KEY=… STORE_SECRET=… drtest run scenarios/rehearse.lua --on attach --clusters examples/tiup-cluster.lua
--
-- It is Lua without libraries: a table, and env "NAME" for what must not stand in a file. drtest does only what is allowed here.
local keys = "?access-key=" .. env "STORE_KEY" .. "&secret-access-key=" .. env "STORE_SECRET" ..
             "&endpoint=http://10.0.1.30:9000&force-path-style=true"
local tls = { ca = "/etc/tidb/ca.pem", cert = "/etc/tidb/client.pem", key = "/etc/tidb/client-key.pem" }

return {
  -- where a run may put its own things (under a prefix of its own), reached by TiKV, TiCDC and this machine alike
  store = "s3://drtest/runs" .. keys,
  -- what is there already: the changefeed's redo log. It is only ever read.
  redo = "s3://redo/primary-to-secondary" .. keys,
  -- the id of the changefeed that writes it, for scenarios/live_failover.lua
  changefeed = "primary-to-secondary",
  -- in which TiCDC runs (its --tz, or its machine's): its log has TIMESTAMPs as text and does not say
  redo_time_zone = "+00:00",

  -- production: read, and backed up (RATE_LIMIT 120 MB/s); never written, never killed
  -- ("gc" beside "backup": a rehearsal holds garbage collection meanwhile, so that it may take longer than tidb_gc_life_time)
  primary = {
    sql = { host = "10.0.1.10", port = 4000, user = "drtest", password = env "DB_PASSWORD" },
    pd = "https://10.0.1.11:2379", ticdc = "https://10.0.1.12:8300", status = "https://10.0.1.10:10080", tls = tls,
    allow = { "backup" },
  },
  secondary = {
    sql = { host = "10.0.2.10", port = 4000, user = "drtest", password = env "DB_PASSWORD" },
    pd = "https://10.0.2.11:2379", tls = tls,
  },

  -- for --set replay=both, which replays the log a second time by `cdc redo apply`, on a copy of the secondary: an empty cluster of this name
  -- ["secondary-twin"] = { sql = { host = "10.0.4.10", port = 4000, user = "root" }, pd = "http://10.0.4.11:2379", expendable = true },

  -- a small cluster that comes up for the rehearsal and goes with it; destroyed at the end where this run has filled or started it, however far
  scratch = {
    sql = { host = "10.0.3.10", port = 4000, user = "root" },
    pd = "http://10.0.3.11:2379", status = "http://10.0.3.10:10080",
    expendable = true,
    cluster_id = "7712997407283468988", -- as PD tells it (`drtest doctor --on attach --clusters FILE` prints it): no other is taken for this one
    commands = {
      start = { "tiup", "cluster", "start", "dr-scratch", "--yes" },
      kill = { "tiup", "cluster", "exec", "dr-scratch", "--command", "pkill -9 'tidb-server|tikv-server|pd-server|cdc'", "--yes" },
      destroy = { "tiup", "cluster", "clean", "dr-scratch", "--all", "--yes" },
    },
  },
}
