-- One RENAME TABLE exchanges several tables, as online schema change tools do: first through the changefeed, then, after the primary's death, through
-- the replay. Each statement must take effect whole or not at all.

-- A TiCDC that splits the statement and loses the order leaves names without their table (docs/TICDC-FAULTS.md).
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"

return scenario {
  name = "rename_tables",
  needs = { "kill", "pause" },
  options = {
    pairs = { 6,    "tables that one statement exchanges", min = 1, max = 50 },
    wait  = { "6s", "how long the log continues after the last statement" },
  },
  run = function(t, opt)
    local store, primary, secondary, feed, before, after

    local function fill(db)
      primary:sql("CREATE DATABASE " .. db)
      for i = 1, opt.pairs do
        primary:sql(("CREATE TABLE %s.orders_%d (id INT PRIMARY KEY, came VARCHAR(20))"):format(db, i))
        primary:sql(("CREATE TABLE %s.fresh_%d (id INT PRIMARY KEY, came VARCHAR(20), note VARCHAR(20))"):format(db, i))
        primary:sql(("INSERT INTO %s.orders_%d VALUES (1, 'orders_%d')"):format(db, i, i))
        primary:sql(("INSERT INTO %s.fresh_%d VALUES (1, 'fresh_%d', '')"):format(db, i, i))
      end
    end

    local function exchange(db)
      local parts = {}
      for i = 1, opt.pairs do
        parts[#parts + 1] = ("%s.orders_%d TO %s.old_%d, %s.fresh_%d TO %s.orders_%d"):format(db, i, db, i, db, i, db, i)
      end
      primary:sql("RENAME TABLE " .. table.concat(parts, ", "))
    end

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 })
      fill "live"
      fill "dead"
      feed = drill.replicate(primary, secondary, store, "exchange")
      t:redo_caught_up(feed)
    end)

    t:step("the changefeed replicates it", function()
      exchange "live"
      primary:sql "CREATE TABLE live.behind (id INT PRIMARY KEY)"
      drill.drain(t, feed, primary, "the changefeed is in step")
      t:check("the secondary equals the primary", t.verify.same(primary, secondary))
    end)

    t:step("the primary dies first", function()
      local frozen = t:fault { pause = secondary }
      before = primary:current_tso()
      exchange "dead"
      after = primary:current_tso()
      t:sleep(opt.wait)
      t:disaster { kill = primary }
      frozen:heal()
    end)

    t:step("replay", function()
      local replay = drill.replay(t, secondary, store:url "redo/exchange")
      t:phase "check"
      if t:planning() then return end
      local done, not_done, neither = 0, 0, {}
      for i = 1, opt.pairs do
        local there = {}
        for _, row in ipairs(secondary:query(([[SELECT table_name FROM information_schema.tables
          WHERE table_schema = 'dead' AND table_name IN ('orders_%d', 'old_%d', 'fresh_%d')]]):format(i, i, i))) do
          there[row[1]:gsub("_%d+$", "")] = secondary:query(("SELECT came FROM dead.%s"):format(row[1]))[1][1]
        end
        if there.orders == "fresh_" .. i and there.old == "orders_" .. i and not there.fresh then done = done + 1
        elseif there.orders == "orders_" .. i and there.fresh == "fresh_" .. i and not there.old then not_done = not_done + 1
        else neither[#neither + 1] = "orders_" .. i .. (there.orders and "" or " is not there") end
      end
      local whole = #neither == 0 and (done == 0 or not_done == 0)
      local right = whole and not (replay.point >= after and done == 0) and not (replay.point < before and done > 0)
      t:check("the exchange is complete, or did not happen", right, whole and ("%d of %d tables are exchanged"):format(done, opt.pairs)
        or ("%d of %d tables are exchanged, %d not; %s"):format(done, opt.pairs, not_done, #neither > 0 and table.concat(neither, ", ")
          or "half of a statement"))
      return replay.point >= after and "the log has the exchange" or "the log ends at the exchange"
    end)
  end,
}
