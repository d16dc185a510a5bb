-- sysbench's oltp_delete: one delete; deleting a missing row changes nothing.
local sbtest = require "drtest.sbtest"

return sbtest.load {
  name = "oltp_delete",
  description = "sysbench's oltp_delete: one delete; deleting a missing row changes nothing",
  statements = { delete = sbtest.statements.delete },

  event = function(con, r)
    sbtest.single(con, r, "delete", r:table(), r:id())
  end,
}
