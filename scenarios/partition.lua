-- Links between changefeed, primary, secondary and store fail, one after another; the changefeed must recover by itself. Then the primary is isolated
-- but running: the secondary takes over, the old primary is killed before the links heal, and no split brain remains.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "partition",
  promotes = true,
  needs = { "store", "kill", "link", "cut", "black_hole", "reset", "stall_commit" },
  options = drill.options {
    weather    = { "9s", "how long links fail before the primary is isolated" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, feed
    local to_primary, to_secondary, to_store, app, links

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      to_secondary, to_store = t:link { "feed", secondary }, t:link { "feed", store }
      if not t:on_tidb() then to_primary = t:link { "feed", primary } end -- TiCDC reads TiKV itself: nothing can be between them
      links = { to_secondary, to_store, to_primary }
      app = t:link { "load", primary }
      load = drill.load(t, primary, opt)
      feed = drill.replicate(primary, secondary, store)
      t:caught_up(feed)
    end)

    t:step("links fail, one after another", function()
      local entries = { window = opt.weather, gap = { "100ms", "500ms" } }
      for _, link in ipairs(links) do
        entries[#entries + 1] = { cut = link, lasts = { "200ms", "1500ms" } }
        entries[#entries + 1] = { black_hole = link, lasts = { "200ms", "1500ms" } }
        entries[#entries + 1] = { black_hole = link, direction = "up", lasts = { "200ms", "1s" } }
        entries[#entries + 1] = { black_hole = link, direction = "down", lasts = { "200ms", "1s" } }
        entries[#entries + 1] = { reset = link, after_bytes = 2000, lasts = { "300ms", "1s" } }
      end
      local storm = t:schedule(entries)
      storm:wait()
      drill.drain(t, feed, primary, "the changefeed has caught up by itself", "60s")
      return ("%d faults; the changefeed connected %s times to the secondary, %s times to the store"):format(storm:count(),
        text.commas(to_secondary:stats().connections), text.commas(to_store:stats().connections))
    end)

    t:step("the primary is isolated but running", function()
      -- first the answers to COMMIT stay away: committed there, not told here. What becomes of them only the evidence can tell
      t:sleep(t:random_time "1500ms")
      t:fault { stall_commit = app, answer = true }
      t:sleep(t:random_time("200ms", "2700ms"))
      t:disaster { cut = { app, unpack(links) } }
      load:wait_disconnected()
      return ("%s acknowledged transactions, %s unknown"):format(text.commas(load:stats().acked), text.commas(load:stats().unknown))
    end)

    t:step("the secondary takes over", function()
      -- first the gun, then the promotion: a changefeed that found its way back later would write over the new master's rows
      t:fault { kill = primary }
      t:heal()
      local replay = drill.replay(t, secondary, store:url "redo/forth")
      local ledger = drill.promote(t, load, secondary, { of = primary, point = replay.point })
      t:sleep "1s"
      drill.stop(t, load, secondary)
      t:check("no write that the new primary acknowledged is lost", t.verify.ledger(load, secondary, { of = secondary }))
      return ("%s of %s acknowledged transactions lost"):format(text.commas(ledger.lost), text.commas(ledger.acked))
    end)
  end,
}
