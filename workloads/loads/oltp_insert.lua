-- sysbench's oltp_insert: one row with an id by AUTO_INCREMENT. Which id it got is the database's choice, so the load has no model; the digits of
-- c and pad still tell which transaction wrote each row.
local sbtest = require "drtest.sbtest"

return {
  name = "oltp_insert",
  description = "sysbench's oltp_insert: one insert, its id by AUTO_INCREMENT",
  statements = { insert = { "INSERT INTO sbtest%d (k, c, pad) VALUES (?, ?, ?)" } },
  tables = sbtest.tables,
  prepare = sbtest.prepare,

  event = function(con, r)
    local table, k = r:table(), r:id()
    sbtest.single(con, r, "insert", table, k, r:c(), r:pad())
  end,
}
