-- The store, and with it the redo log, dies together with the primary. If the store returns, the replay loses no more than usual; if not, the drill
-- reports what on the secondary is complete, torn and lost.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "double_disaster",
  promotes = true,
  needs = { "store", "kill" },
  options = drill.options {
    soak       = { "3s",  "write load before the disaster" },
    store      = { "any", "what happens to the store; any: chosen by the seed", choices = { "any", "returns", "lost" } },
  },
  run = function(t, opt)
    local store, primary, secondary, load, feed, checkpoint
    local fate = opt.store == "any" and (t:random(2) == 0 and "returns" or "lost") or opt.store
    t:figure("phase", "the store " .. (fate == "returns" and "returns" or "is lost"))

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = drill.load(t, primary, opt)
      feed = drill.replicate(primary, secondary, store)
      t:caught_up(feed)
      t:redo_caught_up(feed)
    end)

    t:step("primary and store die together", function()
      t:sleep(opt.soak)
      checkpoint = feed:status().checkpoint_ts -- the last one that somebody outside has seen
      t:disaster { kill = { primary, store }, when = { busy = feed, later = t:random(5000) } }:wait()
      load:wait_disconnected()
      return ("%s acknowledged transactions; last observed checkpoint: %s"):format(text.commas(load:stats().acked), tostring(checkpoint))
    end)

    if fate == "returns" then
      t:step("the store's disk comes back", function()
        store:start()
        local replay = drill.replay(t, secondary, store:url "redo/forth")
        t:check("the store lost nothing that it acknowledged: the log reaches beyond the last observed checkpoint", replay.point >= checkpoint)
        local ledger = drill.promote(t, load, secondary, { of = primary, point = replay.point })
        drill.stop(t, load, secondary)
        return ("%s rows replayed, %s transactions lost"):format(text.commas(replay.rows), text.commas(ledger.lost))
      end)
    else
      t:step("what can still be recovered", function()
        local ok, why = t:attempt(function() return secondary:apply_redo(store:url "redo/forth") end)
        t:check("a replay without a log is refused", not ok, why)
        t:phase "check"
        -- no log, no consistent point: the state is judged as the changefeed left it
        local state = t.verify.model(load, secondary, { of = primary, before = true })
        local ledger = t.verify.ledger(load, secondary, { of = primary, before = true })
        t:check("what is left can be determined exactly", t:planning() or (state.verdict ~= "unknown" and ledger.verdict ~= "unknown"), state.evidence)
        t:figure("whole_up_to", checkpoint)
        t:figure("torn", state.torn)
        t:figure("lost", ledger.lost)
        t:note(("without the redo log, the secondary is complete up to checkpointTs %s; %s transactions after it are torn and must be repaired by hand")
          :format(tostring(checkpoint), text.commas(state.torn)))
        return ("%s transactions recovered, %s torn, %s lost"):format(text.commas(ledger.recovered), text.commas(state.torn), text.commas(ledger.lost))
      end)
    end
  end,
}
