-- The nightly suite: failover with several seeds and loads, and each other scenario, compared with earlier nights.
return {
  suite = "nightly",
  runs = {
    { "failover", seeds = { 1, 2, 3, 4, 5 }, set = { soak = "20s" } },
    { "failover", seeds = { 1, 2 },          set = { soak = "20s", rate = { 300, 600 }, workers = 20 } },
    { "primary_kill_sweep", seeds = { 1, 2, 3 } },
    { "double_disaster" },
    { "feed_restart" },
    { "replay_killed" },
    { "ddl_under_fire" },
    { "store_outage" },
    { "partition" },
    { "slow_secondary" },
    { "switchover" },
    { "failback" },
    { "human_error" },
    { "ways_back" },
    { "secondaries" },
    { "bdr" },
    { "throughput" },
  },
  gate = {
    baseline = "last:20", -- of the runs that passed, with the same options
    "rpo_ms p95 <= 1.5x",
    "rto_ms <= 1.3x",
    "redundant_ms <= 1.5x",
    "load_p99_ms <= 2x",
    "rto_ms max <= 30s",
    -- throughput's table
    "backup_rows_per_s >= 0.6x",
    "restore_rows_per_s >= 0.6x",
    "load_tps >= 0.6x",
    "changefeed_rows_per_s >= 0.6x",
    "replay_rows_per_s >= 0.6x",
  },
}
