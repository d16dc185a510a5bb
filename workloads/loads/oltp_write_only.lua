-- sysbench's oltp_write_only: same schema, same statements in the same order, same distributions (sysbench 1.0.20,
-- src/lua/oltp_common.lua). Ids are given on insertion, where sysbench leaves them to AUTO_INCREMENT: the same rows, and sure to be 1..n
-- on a database that hands out ids in blocks too.
local concat = table.concat
local INSERT_BYTES_MAX = 512 * 1024 -- sysbench's bulk insert buffer

-- What a prepared row holds beside its id; r stands at that row.
local function row(r)
  local k = r:id()
  return k, r:c(), r:pad()
end

return {
  name = "oltp_write_only",
  description = "sysbench's oltp_write_only: an index update, a non-index update, a delete and an insert of one id, in one transaction",
  options = {
    index_updates     = { 1, "index updates in a transaction" },
    non_index_updates = { 1, "non-index updates in a transaction" },
    delete_inserts    = { 1, "pairs of delete and insert in a transaction" },
  },
  statements = {
    index_update     = { "UPDATE sbtest%d SET k=k+1 WHERE id=?", effect = "add_k", args = { "id" } },
    non_index_update = { "UPDATE sbtest%d SET c=? WHERE id=?", effect = "set_c", args = { "c", "id" } },
    delete           = { "DELETE FROM sbtest%d WHERE id=?", effect = "delete", args = { "id" } },
    insert           = { "INSERT INTO sbtest%d (id, k, c, pad) VALUES (?, ?, ?, ?)", effect = "insert", args = { "id", "k", "c", "pad" } },
  },
  audit = { table_prefix = "sbtest" },
  row = row,

  prepare = function(con, r, table, size)
    con:query(([[
CREATE TABLE sbtest%d(
  id INTEGER NOT NULL AUTO_INCREMENT,
  k INTEGER DEFAULT '0' NOT NULL,
  c CHAR(120) DEFAULT '' NOT NULL,
  pad CHAR(60) DEFAULT '' NOT NULL,
  PRIMARY KEY (id)
) /*! ENGINE = innodb */]]):format(table))
    local values, bytes = {}, 0
    local function send()
      if #values > 0 then
        con:query(("INSERT INTO sbtest%d(id, k, c, pad) VALUES"):format(table) .. concat(values, ","))
      end
      values, bytes = {}, 0
    end
    con:begin()
    for id = 1, size do
      r:at(table, id)
      local value = ("(%d,%d,'%s','%s')"):format(id, row(r))
      values[#values + 1], bytes = value, bytes + #value + 1
      if bytes > INSERT_BYTES_MAX - 512 then send() end
      if id % 1000 == 0 then
        send()
        con:commit()
        con:begin()
      end
    end
    send()
    con:commit()
    con:query(("CREATE INDEX k_%d ON sbtest%d(k)"):format(table, table))
  end,

  event = function(con, r, opt)
    con:begin()
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
    con:commit()
  end,
}
