-- Both clusters accept writes, each to its own keys, with a changefeed in each direction (bdr-mode). DDL comes from one side, the service moves
-- without a rebuild, and conflicting writes are found.
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "bdr",
  needs = { "bdr" },
  options = {
    tables     = { 2,    "number of tables for each side's load", min = 1, max = 10000 },
    table_size = { 300,  "rows of each", min = 1, max = 2147483647 },
    workers    = { 4,    "connections of each side's load", min = 1, max = 100000 },
    rate       = { 40,   "transactions per second of each side's load", max = 10000000 },
    soak       = { "4s", "load on both sides" },
    keys       = { 40,   "rows that each side writes into one table that both have", min = 10, max = 10000 },
    conflicts  = { 3,    "keys that both sides write at the same time", min = 1, max = 100 },
  },
  run = function(t, opt)
    local store, east, west, backup
    local loads, feeds = {}, {}
    local tidb = t:on_tidb()

    local function role(cluster, name)
      if tidb then cluster:sql("ADMIN SET BDR ROLE " .. name) end
    end

    -- what either side has written is on the other one
    local function drain(words)
      for _, f in ipairs(feeds) do
        local last = f.source:position()
        t:eventually(("%s has all that %s has written, %s"):format(f.sink:name(), f.source:name(), words), t:timeout "1m",
          function() return f.feed:reached(last) end)
      end
    end

    -- a DDL that arrives by the changefeed
    local function arrives(cluster, column)
      t:eventually(("the column arrives on %s"):format(cluster:name()), t:timeout "1m", function()
        -- TiDB's information_schema shows a column before statements can use it
        return (t:attempt(function() cluster:query(("SELECT %s FROM `both`.t LIMIT 1"):format(column)) end))
      end)
    end

    local function refused(cluster)
      if not tidb or t:planning() then return end
      local done, why = t:attempt(function() cluster:sql "ALTER TABLE both.t ADD COLUMN never INT" end)
      t:check(("%s, the secondary by its role, refuses a DDL"):format(cluster:name()), not done and why:find("8263", 1, true) ~= nil, tostring(why))
    end

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      east, west = t:clusters({ name = "east" }, { name = "west" })
      for _, db in ipairs { "east", "west" } do
        local load = t:load { "oltp_write_only", db = db, tables = opt.tables, table_size = opt.table_size, workers = opt.workers, rate = opt.rate }
        load:prepare { on = east }
        loads[db] = load
      end
      east:sql "CREATE DATABASE `both`"
      east:sql "CREATE TABLE `both`.t (id INT PRIMARY KEY, side VARCHAR(8) NOT NULL, v INT NOT NULL)"
      east:set_gc(false)
      west:set_gc(false)
      backup = east:backup(store:url "backup/full")
      west:restore(backup)
      local from = west:current_tso()
      role(east, "PRIMARY")
      role(west, "SECONDARY")
      if not tidb then t:note "MariaDB has no roles, so nothing enforces that DDL comes from only one side" end
      for i, pair in ipairs { { east, west, backup.ts }, { west, east, from } } do
        local id = pair[1]:name() .. "-to-" .. pair[2]:name()
        feeds[i] = { source = pair[1], sink = pair[2],
                     feed = pair[1]:changefeed { id = id, sink = pair[2], start_ts = pair[3], redo = store:url("redo/" .. id), bdr = true } }
      end
      for _, f in ipairs(feeds) do t:caught_up(f.feed, tostring(f.feed)) end
    end)

    t:step("both sides are written, keys apart", function()
      loads.east:start { on = east }
      loads.west:start { on = west }
      for i = 1, opt.keys do
        east:sql(("INSERT INTO `both`.t VALUES (%d, 'east', %d)"):format(2 * i, i))
        west:sql(("INSERT INTO `both`.t VALUES (%d, 'west', %d)"):format(2 * i + 1, i))
      end
      t:sleep(opt.soak)
      return ("%d rows by each into one table"):format(opt.keys)
    end)

    t:step("DDL from one side", function()
      refused(west)
      east:sql "ALTER TABLE `both`.t ADD COLUMN seen INT"
      arrives(west, "seen")
      west:sql "UPDATE `both`.t SET seen = id WHERE side = 'west'"
      east:sql "UPDATE `both`.t SET seen = -id WHERE side = 'east'"
    end)

    -- both clusters, and each load on both
    local function judge(when)
      t:check(when .. ": both sides are equal", t.verify.same(east, west))
      for name, of in pairs(loads) do
        local where = t:planning() and east or of.at
        for _, cluster in ipairs { east, west } do
          t:check(("%s: nothing that load %s wrote is missing on %s"):format(when, name, cluster:name()), t.verify.ledger(of.load, cluster, { of = where }))
          t:check(("%s: every row of load %s on %s is as it left it"):format(when, name, cluster:name()), t.verify.model(of.load, cluster, { of = where }))
        end
      end
    end

    t:step("both hold the same", function()
      loads.east:stop()
      loads.west:stop()
      drain "keys apart"
      loads = { east = { load = loads.east, at = east }, west = { load = loads.west, at = west } }
      judge "keys apart"
      local rows = east:query "SELECT COUNT(*), COUNT(seen) FROM `both`.t"
      t:check("what each side wrote into the shared table is there", t:planning() or rows[1][1] == tostring(2 * opt.keys) and rows[1][2] == rows[1][1],
        t:planning() and "" or ("%s rows, %s with the new column"):format(rows[1][1], rows[1][2]))
    end)

    t:step("the service moves without a rebuild", function()
      role(east, "SECONDARY")
      role(west, "PRIMARY")
      local from = t:now()
      loads.east.load:start { on = west }
      local served = loads.east.load:first_ack()
      loads.east.at = west
      t:moved(east, west, served)
      t:figure("switch_ms", t:planning() and 0 or math.floor((served - from) * 1000))
      loads.west.load:start { on = west }
      refused(east)
      west:sql "ALTER TABLE `both`.t ADD COLUMN late INT"
      arrives(east, "late")
      west:sql "UPDATE `both`.t SET late = id"
      t:sleep(opt.soak)
      loads.east.load:stop()
      loads.west.load:stop()
      drain "after the switch"
      judge "after the switch"
      return t:planning() and "" or ("its first write %s after writes stopped on the other side; both changefeeds continued"):format(text.seconds(served - from))
    end)

    t:step("conflicts", function()
      -- the harmless twin: both write the same
      east:sql "UPDATE `both`.t SET v = 777 WHERE id = 2"
      west:sql "UPDATE `both`.t SET v = 777 WHERE id = 2"
      drain "the same value on both sides"
      t:check("the same value written on both sides is not a conflict", t.verify.same(east, west))
      local planted, n, tries = {}, 0, 0
      while n < opt.conflicts and tries < 10 * opt.conflicts do
        tries = tries + 1
        local id = 2 * (1 + t:random(opt.keys))
        if not planted[id] then
          east:sql(("UPDATE `both`.t SET v = %d WHERE id = %d"):format(1000 + tries, id))
          -- where the first one has arrived already the second one would be no conflict
          local hit = west:sql(("UPDATE `both`.t SET v = %d WHERE id = %d AND v <> %d"):format(2000 + tries, id, 1000 + tries))
          if t:planning() or hit == 1 then
            planted[id] = true
            n = n + 1
          end
        end
      end
      drain "conflicts"
      if t:planning() then return end
      local found, wrong = {}, 0
      for _, row in ipairs(east:query "SELECT id, v FROM `both`.t") do found[row[1]] = row[2] end
      local names = {}
      for _, row in ipairs(west:query "SELECT id, v FROM `both`.t") do
        local differs = found[row[1]] ~= row[2]
        if differs ~= (planted[tonumber(row[1])] or false) then wrong = wrong + 1 end
        if differs then names[#names + 1] = ("%s: %s and %s"):format(row[1], found[row[1]], row[2]) end
      end
      local same = t.verify.same(east, west)
      t:check("the comparison finds the conflicts", same.verdict == "fail", same.evidence)
      t:check("exactly these keys differ", wrong == 0, table.concat(names, "; "))
      t:figure("conflicts", #names)
      return ("%d keys, each side has the other side's value: %s"):format(#names, table.concat(names, "; "))
    end)
  end,
}
