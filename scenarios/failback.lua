-- The old primary's disk is recovered after a disaster. The drill counts the transactions that only this disk has, rebuilds the cluster from the new
-- primary, and moves the service back without loss.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "failback",
  promotes = true,
  needs = { "kill" },
  options = drill.options {
    soak       = { "3s", "write load before the disaster" },
  },
  run = function(t, opt)
    local store, old, secondary, rebuilt, load, feed, point, lost

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      old, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = drill.load(t, old, opt)
      feed = drill.replicate(old, secondary, store)
      t:caught_up(feed)
      t:redo_caught_up(feed)
    end)

    t:step("disaster, replay, promotion", function()
      t:sleep(opt.soak)
      t:disaster { kill = old, while_busy = feed, within = "4s" }
      load:wait_disconnected()
      point = drill.replay(t, secondary, store:url "redo/forth").point
      local ledger = drill.promote(t, load, secondary, { of = old, point = point })
      lost = ledger.lost
      return ("%s of %s acknowledged transactions lost"):format(text.commas(ledger.lost), text.commas(ledger.acked))
    end)

    t:step("the old primary's disk is recovered", function()
      old:start() -- apart: nobody writes to it, nothing is replicated from it
      local ledger = t.verify.ledger(load, old, { of = old })
      t:check("its disk has every transaction that it acknowledged", ledger)
      t:check("so it has what the secondary lost", t:planning() or ledger.lost == 0, ("%d missing on its own disk"):format(ledger.lost))
      t:figure("only_on_the_old_primary", lost)
      old:stop()
      return lost > 0 and ("%s acknowledged transactions are only there: it cannot rejoin and is rebuilt"):format(text.commas(lost))
        or "no transaction is only there; it is rebuilt anyway"
    end)

    t:step("it is rebuilt from the new primary", function()
      rebuilt = t:cluster { name = "rebuilt", ticdc = 0 } -- it never replicates
      secondary:set_gc(false)
      local again = secondary:backup(store:url "backup/back")
      rebuilt:restore(again)
      t:check("it equals the new primary at BackupTS", t.verify.sums(rebuilt, again))
      feed = secondary:changefeed { id = "back", sink = rebuilt, start_ts = again.ts, redo = store:url "redo/back" }
      secondary:set_gc(true)
      t:caught_up(feed)
      t:recovered "redundant"
    end)

    t:step("the service moves back as planned", function()
      t:sleep "1s"
      local from = t:now()
      load:stop()
      drill.drain(t, feed, secondary, "the rebuilt one has all of it")
      feed:stop()
      t:check("both sides are equal", t.verify.same(secondary, rebuilt))
      local ledger = t.verify.ledger(load, rebuilt, { of = secondary })
      t:check("no write that the promoted secondary acknowledged is lost", ledger)
      t:check("not one", t:planning() or ledger.lost == 0, ("%d lost"):format(ledger.lost))
      load:start { on = rebuilt }
      local served = load:first_ack()
      t:moved(secondary, rebuilt, served)
      t:sleep "500ms"
      load:stop()
      t:check("every row is as its transactions left it", t.verify.model(load, rebuilt, { of = rebuilt }))
      return ("no write for %s"):format(text.seconds(served - from))
    end)
  end,
}
