-- The secondary falls behind, then freezes. The redo log must continue, and when the primary dies, the replay restores all that the log has: the loss
-- is the log's lag, not the secondary's.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "slow_secondary",
  promotes = true,
  needs = { "kill", "pause", "link", "delay", "slow" },
  options = drill.options {
    rate       = { 150,  "transactions per second of all connections together", max = 10000000 },
    behind     = { "5s", "lag of the secondary at the disaster" },
    lag        = { "2s", "allowed lag of the redo log beyond its flush interval, or beyond what it was before the secondary was slow, if that was more" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, feed, link
    local usual_ms = 2200 -- how far the redo log is behind without any fault: at least its flush interval, and the new architecture's more

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 })
      link = t:link { "feed", secondary }
      load = drill.load(t, primary, opt)
      feed = drill.replicate(primary, secondary, store)
      t:caught_up(feed)
      t:redo_caught_up(feed)
      for _ = 1, t:planning() and 0 or 10 do
        t:sleep "300ms"
        usual_ms = math.max(usual_ms, feed:status().resolved_lag_ms or 0)
      end
      return ("the redo log is up to %s behind the primary"):format(text.seconds(usual_ms / 1000))
    end)

    t:step("the secondary falls behind", function()
      local slow = t:fault { slow = link, kb_per_s = 30, direction = "up" }
      local late = t:fault { delay = link, by = "30ms", jitter = "20ms" }
      t:sleep "2s"
      local before = feed:status().resolved_ts
      local frozen = t:fault { pause = secondary }
      t:eventually(("the secondary is %s behind"):format(opt.behind), t:timeout "1m", function() return feed:lag_ms() > t:duration(opt.behind) end)
      t:eventually("the redo log advances without the secondary", t:timeout "1m", function() return feed:status().resolved_ts > before end)
      t:disaster { kill = primary, at = t:random_time("1ms", "2s") }:wait()
      frozen:heal()
      slow:heal()
      late:heal()
      load:wait_disconnected()
      return ("SIGKILL with the secondary more than %s behind"):format(opt.behind)
    end)

    t:step("replay", function()
      t:phase "replay"
      local torn = t.verify.snapshot(secondary, load)
      local replay = secondary:apply_redo(store:url "redo/forth")
      local ledger = drill.promote(t, load, secondary, { of = primary, point = replay.point })
      drill.stop(t, load, secondary)
      local before = t.verify.model(load, secondary, { of = primary, before = true, snapshot = torn })
      torn:release()
      local promised = usual_ms + t:duration(opt.lag)
      t:check_within("what is lost is younger than the flush interval and the log's lag", ledger.window_ms, promised,
        ("the oldest lost acknowledgement is %d ms before the disaster, promised are %d ms"):format(ledger.window_ms, promised))
      t:check("the replay had work to do", replay.rows > 0, ("%d rows"):format(replay.rows))
      t:figure("torn_before", before.torn)
      return ("%s rows of %s transactions; %s torn before; %s lost, the oldest %d ms before the disaster"):format(text.commas(replay.rows),
        text.commas(replay.transactions), text.commas(before.torn), text.commas(ledger.lost), ledger.window_ms)
    end)
  end,
}
