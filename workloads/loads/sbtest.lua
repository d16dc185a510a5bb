-- What the loads on sysbench's tables share (sysbench 1.0.20, src/lua/oltp_common.lua: the same schema and distributions). Ids are given on
-- insertion, where sysbench leaves them to AUTO_INCREMENT: the same rows, and sure to be 1..n on a database that hands out ids in blocks too.
local concat = table.concat
local INSERT_BYTES_MAX = 512 * 1024 -- sysbench's bulk insert buffer

local sbtest = {}

-- What a prepared row holds beside its id; r stands at that row.
function sbtest.row(r)
  local k = r:id()
  return k, r:c(), r:pad()
end

-- Rows 1..size by wide INSERTs, committed every 1000: values(id) is one row as SQL.
function sbtest.fill(con, into, size, values)
  local list, bytes = {}, 0
  local function send()
    if #list > 0 then con:query(into .. " VALUES" .. concat(list, ",")) end
    list, bytes = {}, 0
  end
  con:begin()
  for id = 1, size do
    local value = values(id)
    list[#list + 1], bytes = value, bytes + #value + 1
    if bytes > INSERT_BYTES_MAX - 512 then send() end
    if id % 1000 == 0 then
      send()
      con:commit()
      con:begin()
    end
  end
  send()
  con:commit()
end

-- sysbench's table, its rows and its index.
function sbtest.prepare(con, r, table, size)
  con:query(([[
CREATE TABLE sbtest%d(
  id INTEGER NOT NULL AUTO_INCREMENT,
  k INTEGER DEFAULT '0' NOT NULL,
  c CHAR(120) DEFAULT '' NOT NULL,
  pad CHAR(60) DEFAULT '' NOT NULL,
  PRIMARY KEY (id)
) /*! ENGINE = innodb */]]):format(table))
  sbtest.fill(con, ("INSERT INTO sbtest%d(id, k, c, pad)"):format(table), size, function(id)
    r:at(table, id)
    return ("(%d,%d,'%s','%s')"):format(id, sbtest.row(r))
  end)
  con:query(("CREATE INDEX k_%d ON sbtest%d(k)"):format(table, table))
end

-- A transaction of one statement: without BEGIN and COMMIT, as sysbench sends it, unless it also writes its row into the ledger table.
function sbtest.single(con, r, ...)
  if r:ledger() then con:begin() end
  con:execute(...)
  if r:ledger() then con:commit() end
end

sbtest.statements = {
  index_update     = { "UPDATE sbtest%d SET k=k+1 WHERE id=?", effect = "add_k", args = { "id" } },
  non_index_update = { "UPDATE sbtest%d SET c=? WHERE id=?", effect = "set_c", args = { "c", "id" } },
  delete           = { "DELETE FROM sbtest%d WHERE id=?", effect = "delete", args = { "id" } },
  insert           = { "INSERT INTO sbtest%d (id, k, c, pad) VALUES (?, ?, ?, ?)", effect = "insert", args = { "id", "k", "c", "pad" } },
}

-- The writing part of oltp_write_only and oltp_read_write.
sbtest.write_options = {
  index_updates     = { 1, "index updates in a transaction" },
  non_index_updates = { 1, "non-index updates in a transaction" },
  delete_inserts    = { 1, "pairs of delete and insert in a transaction" },
}
function sbtest.writes(con, r, opt)
  for _ = 1, opt.index_updates do
    con:execute("index_update", r:table(), r:id())
  end
  for _ = 1, opt.non_index_updates do
    con:execute("non_index_update", r:table(), r:c(), r:id())
  end
  for _ = 1, opt.delete_inserts do
    local table, id = r:table(), r:id()
    con:execute("delete", table, id)
    con:execute("insert", table, id, r:id(), r:c(), r:pad())
  end
end

sbtest.tables = { "sbtest%d(id, k, c, pad)" }
sbtest.audit = { table_prefix = "sbtest" }

-- A load on these tables that the model check follows: its own part, and what all of them share.
function sbtest.load(own)
  own.tables, own.audit, own.row, own.prepare = sbtest.tables, sbtest.audit, sbtest.row, sbtest.prepare
  return own
end

return sbtest
