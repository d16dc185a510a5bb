-- The store dies together with the primary: with it the redo log. If its disk comes back, the replay loses no more than ever; if it does
-- not, the secondary stays as the changefeed left it, torn, and the drill says exactly what is whole, what is torn and what is lost.
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "double_disaster",
  promotes = true,
  needs = { "store", "kill" },
  options = {
    tables     = { 2,     "tables", min = 1, max = 10000 },
    table_size = { 500,   "rows of each", min = 1, max = 2147483647 },
    workers    = { 8,     "connections of the load", min = 1, max = 100000 },
    rate       = { 100,   "transactions per second over all of them", max = 10000000 },
    soak       = { "3s",  "write load before the disaster" },
    store      = { "any", "what becomes of the store; any: the seed draws it", choices = { "any", "returns", "lost" } },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, feed, checkpoint
    local fate = opt.store == "any" and (t:random(2) == 0 and "returns" or "lost") or opt.store
    t:figure("phase", "the store " .. (fate == "returns" and "returns" or "is lost"))

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = t:load { "oltp_write_only", tables = opt.tables, table_size = opt.table_size, workers = opt.workers, rate = opt.rate }
      load:prepare { on = primary }
      load:start { on = primary }
      primary:set_gc(false)
      backup = primary:backup(store:url "backup/full")
      secondary:restore(backup)
      feed = primary:changefeed { id = "primary-to-secondary", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
      t:caught_up(feed)
      t:redo_caught_up(feed)
    end)

    t:step("primary and store die in one instant", function()
      t:sleep(opt.soak)
      checkpoint = feed:status().checkpoint_ts -- the last one that somebody outside has seen
      t:disaster { kill = { primary, store }, when = { busy = feed, later = t:random(5000) } }:wait()
      load:wait_disconnected()
      return ("%s acknowledged transactions; the last checkpoint that was seen: %s"):format(text.commas(load:stats().acked), tostring(checkpoint))
    end)

    if fate == "returns" then
      t:step("the store's disk comes back", function()
        store:start()
        t:phase "replay"
        local replay = secondary:apply_redo(store:url "redo/forth")
        t:check("the store lost nothing that it acknowledged: the log reaches beyond the checkpoint that was seen", replay.point >= checkpoint)
        local ledger
        t:promote(load, secondary, function(held)
          ledger = t.verify.ledger(load, secondary, { of = primary, point = replay.point, snapshot = held })
          t:check("nothing up to the replay point is missing, nothing after it is there", ledger)
          t:check("every row is exactly as it was at the replay point", t.verify.model(load, secondary, { of = primary, point = replay.point, snapshot = held }))
          t:rpo(ledger)
        end)
        load:stop()
        t:check("every row is as all its transactions left it", t.verify.model(load, secondary, { of = secondary }))
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
        t:check("what is left can be told exactly", t:planning() or (state.verdict ~= "unknown" and ledger.verdict ~= "unknown"), state.evidence)
        t:figure("whole_up_to", checkpoint)
        t:figure("torn", state.torn)
        t:figure("lost", ledger.lost)
        t:note(("without its redo log the secondary is whole up to checkpointTs %s; %s transactions after it are torn, to be repaired by hand")
          :format(tostring(checkpoint), text.commas(state.torn)))
        return ("%s transactions recovered, %s torn, %s lost"):format(text.commas(ledger.recovered), text.commas(state.torn), text.commas(ledger.lost))
      end)
    end
  end,
}
