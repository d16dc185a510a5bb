-- In the nightly's place where the examples are tried: one small drill, and a gate that has something to compare with from the second night on.
return {
  suite = "short",
  runs = {
    { "failover", seeds = { 1 }, set = { soak = "2s", tables = 2, table_size = 500, load_tables = 2 } },
  },
  gate = { baseline = "last:20", "rto_ms max <= 5m" },
}
