-- Transfers between accounts: whatever happens, the sum of all balances never changes. A share of the transactions only reads: each
-- of them has to see that sum too, since it reads one snapshot; what it saw is in the history.
-- Rows have sysbench's columns (k is the balance), so the model check knows each balance at any point.
local sbtest = require "drtest.sbtest"
local INITIAL = 1000

local function row(r)
  return INITIAL, r:c(), r:pad()
end

return {
  name = "bank",
  description = "transfers between accounts: every reader must always see the same total",
  options = {
    read_percent = { 10, "percentage of transactions that read all balances of a table" },
    amount_max   = { 100, "the largest transfer" },
  },
  statements = {
    transfer = { "UPDATE bank%d SET k = k + ? WHERE id = ?", effect = "add_k", args = { "k", "id" } },
    total    = { "SELECT COUNT(*), SUM(k) FROM bank%d", rows = true },
  },
  tables = { "bank%d(id, k, c, pad)" },
  audit = { table_prefix = "bank" },
  row = row,
  check = "bank",

  checks = function(_, tables, size)
    local list = {}
    for t = 1, tables do
      list[t] = { ("the balances of bank%d add up to %d"):format(t, size * INITIAL), ([[SELECT COUNT(*), SUM(k) FROM bank%d
        HAVING COUNT(*) <> %d OR SUM(k) <> %d]]):format(t, size, size * INITIAL) }
    end
    return list
  end,

  prepare = function(con, r, table, size)
    con:query(([[
CREATE TABLE bank%d(
  id INTEGER NOT NULL,
  k BIGINT NOT NULL,
  c CHAR(120) DEFAULT '' NOT NULL,
  pad CHAR(60) DEFAULT '' NOT NULL,
  PRIMARY KEY (id)
) /*! ENGINE = innodb */]]):format(table))
    sbtest.fill(con, ("INSERT INTO bank%d(id, k, c, pad)"):format(table), size, function(id)
      r:at(table, id)
      return ("(%d,%d,'%s','%s')"):format(id, row(r))
    end)
  end,

  event = function(con, r, opt)
    local table = r:table()
    con:begin()
    if r:uniform(1, 100) <= opt.read_percent then
      local _, rows = con:execute("total", table)
      if rows then con:note("total", table, rows[1][1], rows[1][2], r:size() * INITIAL) end
    else
      -- both accounts in one table, the lower id first: transfers wait for each other and never in a circle
      local a, b, amount = r:id(), r:id(), r:uniform(1, opt.amount_max)
      if r:uniform(0, 1) == 0 then amount = -amount end
      if a > b then a, b = b, a end
      con:note("transfer", table, a, b, amount)
      con:execute("transfer", table, -amount, a)
      con:execute("transfer", table, amount, b)
    end
    con:commit()
  end,
}
