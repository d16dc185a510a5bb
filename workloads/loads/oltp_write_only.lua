-- sysbench's oltp_write_only: same schema, same statements in the same order, same distributions.
local sbtest = require "drtest.sbtest"

return sbtest.load {
  name = "oltp_write_only",
  description = "sysbench's oltp_write_only: an index update, a non-index update, a delete and an insert of one id, in one transaction",
  options = sbtest.write_options,
  statements = sbtest.statements,

  event = function(con, r, opt)
    con:begin()
    sbtest.writes(con, r, opt)
    con:commit()
  end,
}
