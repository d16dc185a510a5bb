-- One transaction moves every key of a table up by one, so all its deletes must run before any insert: first in the changefeed, then, after the
-- primary's death, in the replay.

-- A TiCDC that cuts a large transaction loses a row at each cut (docs/TICDC-FAULTS.md).
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "key_shift",
  needs = { "kill", "pause" },
  options = {
    rows = { 20000, "rows of each of the two tables", min = 10, max = 200000 },
  },
  run = function(t, opt)
    local store, primary, secondary, feed

    local function fill(name)
      -- NONCLUSTERED: TiDB keeps the row where it is and writes it with its new key; a clustered key would move it
      primary:sql(([[CREATE TABLE queue.%s (place INT NOT NULL, guest INT NOT NULL, note CHAR(100) NOT NULL,
        PRIMARY KEY (place) /*T![clustered_index] NONCLUSTERED */)]]):format(name))
      primary:sql(("INSERT INTO queue.%s VALUES (1, 1, REPEAT('x', 100))"):format(name))
      local n = 1
      while n < opt.rows do
        primary:sql(("INSERT INTO queue.%s SELECT place + %d, guest + %d, note FROM queue.%s WHERE place + %d <= %d"):format(name, n, n, name, n, opt.rows))
        n = n * 2
      end
    end

    local function shift(name)
      primary:sql(("UPDATE queue.%s SET place = place + 1 ORDER BY place DESC"):format(name))
    end

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 })
      primary:sql "CREATE DATABASE queue"
      fill "live"
      fill "dead"
      feed = drill.replicate(primary, secondary, store, "shift")
      t:redo_caught_up(feed)
    end)

    t:step("the changefeed replicates the move", function()
      shift "live"
      drill.drain(t, feed, primary, "the changefeed is in step")
      t:check("the secondary equals the primary", t.verify.same(primary, secondary))
    end)

    t:step("the primary dies first", function()
      local frozen = t:fault { pause = secondary }
      shift "dead"
      local last = primary:current_tso()
      t:wait_until("the log's resolvedTs has passed the move", t:timeout "1m", function() return feed:status().resolved_ts >= last end)
      t:disaster { kill = primary }
      frozen:heal()
    end)

    t:step("replay", function()
      local replay = drill.replay(t, secondary, store:url "redo/shift")
      t:phase "check"
      if t:planning() then return end
      local found = secondary:query "SELECT COUNT(*), COALESCE(SUM(guest = place - 1), 0) FROM queue.dead"
      local there, right = tonumber(found[1][1]), tonumber(found[1][2])
      t:check("every row is there, one place further", there == opt.rows and right == opt.rows,
        ("%s of %s rows are there, %s of them one place further"):format(text.commas(there), text.commas(opt.rows), text.commas(right)))
      return ("%s rows replayed"):format(text.commas(replay.rows or 0))
    end)
  end,
}
