-- sysbench's oltp_delete: one delete; deleting a missing row changes nothing.
local sbtest = require "drtest.sbtest"

return {
  name = "oltp_delete",
  description = "sysbench's oltp_delete: one delete; deleting a missing row changes nothing",
  statements = { delete = sbtest.statements.delete },
  tables = sbtest.tables,
  audit = sbtest.audit,
  row = sbtest.row,
  prepare = sbtest.prepare,

  event = function(con, r)
    sbtest.single(con, r, "delete", r:table(), r:id())
  end,
}
