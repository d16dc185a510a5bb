-- sysbench's oltp_update_index: one update of the indexed column.
local sbtest = require "drtest.sbtest"

return sbtest.load {
  name = "oltp_update_index",
  description = "sysbench's oltp_update_index: one update of the indexed column",
  statements = { index_update = sbtest.statements.index_update },

  event = function(con, r)
    sbtest.single(con, r, "index_update", r:table(), r:id())
  end,
}
