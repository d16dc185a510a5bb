-- Lists per key: a transaction appends elements to some lists and reads others. Each element is written once and tells who wrote it
-- (worker.sequence.n), and a list keeps the order of its writers: so who read whose write is known without guessing, and cycles that
-- no serial (or snapshot) order explains can be named. What was read and written is in the history.
-- Keys move on with the sequences, so that lists stay short however long the load runs.
return {
  name = "append",
  description = "appends to and reads of lists, one list per key, to check order and isolation",
  options = {
    ops            = { 4, "maximum number of appends and reads in a transaction" },
    keys           = { 20, "lists in use at a time, in each table" },
    appends        = { 64, "sequences of a worker before it moves on to the next lists" },
    read_percent   = { 50, "percentage of operations that read" },
    lock_reads     = { false, "reads lock what they read (FOR UPDATE)" },
  },
  statements = {
    append = { "INSERT INTO append%d (id, list) VALUES (?, ?) ON DUPLICATE KEY UPDATE list = CONCAT(list, ' ', VALUES(list))" },
    read   = { "SELECT list FROM append%d WHERE id = ?", rows = true },
    lock   = { "SELECT list FROM append%d WHERE id = ? FOR UPDATE", rows = true },
  },
  tables = { "append%d(id, list)" },
  check = "append",

  prepare = function(con, _, table)
    con:query(("CREATE TABLE append%d(id BIGINT NOT NULL, list LONGTEXT NOT NULL, PRIMARY KEY (id)) /*! ENGINE = innodb */"):format(table))
  end,

  event = function(con, r, opt)
    con:begin()
    for i = 1, r:uniform(1, opt.ops) do
      local table = r:table()
      local id = math.floor(r:seq() / opt.appends) * opt.keys + r:uniform(1, opt.keys)
      if r:uniform(1, 100) <= opt.read_percent then
        local _, rows = con:execute(opt.lock_reads and "lock" or "read", table, id)
        if rows then con:note("read", table, id, rows[1] and rows[1][1] or "") end
      else
        local element = ("%d.%d.%d"):format(r:worker(), r:seq(), i)
        con:note("append", table, id, element)
        con:execute("append", table, id, element)
      end
    end
    con:commit()
  end,
}
