-- sysbench's oltp_update_non_index: one update of a column without an index.
local sbtest = require "drtest.sbtest"

return sbtest.load {
  name = "oltp_update_non_index",
  description = "sysbench's oltp_update_non_index: one update of a column without an index",
  statements = { non_index_update = sbtest.statements.non_index_update },

  event = function(con, r)
    sbtest.single(con, r, "non_index_update", r:table(), r:c(), r:id())
  end,
}
