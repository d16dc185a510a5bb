-- sysbench's oltp_read_write: ten point selects, four range queries of a hundred rows, then the writes of oltp_write_only.
local sbtest = require "drtest.sbtest"

local options = {
  point_selects   = { 10, "point selects in a transaction" },
  simple_ranges   = { 1, "range queries" },
  sum_ranges      = { 1, "range queries with SUM" },
  order_ranges    = { 1, "range queries with ORDER BY" },
  distinct_ranges = { 1, "range queries with DISTINCT" },
  range_size      = { 100, "rows of a range" },
}
for name, option in pairs(sbtest.write_options) do options[name] = option end

local statements = {
  point_selects   = { "SELECT c FROM sbtest%d WHERE id=?" },
  simple_ranges   = { "SELECT c FROM sbtest%d WHERE id BETWEEN ? AND ?" },
  sum_ranges      = { "SELECT SUM(k) FROM sbtest%d WHERE id BETWEEN ? AND ?" },
  order_ranges    = { "SELECT c FROM sbtest%d WHERE id BETWEEN ? AND ? ORDER BY c" },
  distinct_ranges = { "SELECT DISTINCT c FROM sbtest%d WHERE id BETWEEN ? AND ? ORDER BY c" },
}
for name, statement in pairs(sbtest.statements) do statements[name] = statement end

local function ranges(con, r, opt, name)
  local table = r:table() -- sysbench draws it once for all of a kind
  for _ = 1, opt[name] do
    local id = r:id()
    con:execute(name, table, id, id + opt.range_size - 1)
  end
end

return sbtest.load {
  name = "oltp_read_write",
  description = "sysbench's oltp_read_write: point selects, range queries, then the writes of oltp_write_only, in one transaction",
  options = options,
  statements = statements,

  event = function(con, r, opt)
    con:begin()
    local table = r:table()
    for _ = 1, opt.point_selects do
      con:execute("point_selects", table, r:id())
    end
    ranges(con, r, opt, "simple_ranges")
    ranges(con, r, opt, "sum_ranges")
    ranges(con, r, opt, "order_ranges")
    ranges(con, r, opt, "distinct_ranges")
    sbtest.writes(con, r, opt)
    con:commit()
  end,
}
