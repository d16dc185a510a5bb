-- The changefeed dies again and again under load, and its operator restarts it. It must continue from its checkpoint: nothing is lost, doubled or out
-- of order, on the secondary or in the redo log.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "feed_restart",
  needs = { "kill", "interrupt" },
  options = drill.options {
    deaths     = { 6,      "how often the changefeed is killed", min = 1, max = 1000 },
    life       = { "1.5s", "maximum time between kills" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, backup, feed

    local function start()
      return primary:changefeed { id = "primary-to-secondary", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
    end

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      load = drill.load(t, primary, opt)
      primary:set_gc(false)
      backup = primary:backup(store:url "backup/full")
      secondary:restore(backup)
      feed = start()
    end)

    t:step("the changefeed dies and comes back", function()
      local checkpoint = backup.ts
      for _ = 1, opt.deaths do
        -- most deaths while it writes to the secondary: that is where a restart has to be exact
        local how = t:random(4)
        if how > 1 then
          t:fault { kill = feed, when = { busy = feed, later = t:random(3000) } }:wait()
        elseif how == 1 then
          t:fault { interrupt = feed, at = t:random_time("1ms", opt.life) }:wait()
        else
          t:fault { kill = feed, at = t:random_time("1ms", opt.life) }:wait()
        end
        t:sleep(t:random_time "400ms")
        feed = start()
        local now = feed:status().checkpoint_ts
        -- a TiCDC that has just started may not know the changefeed yet
        t:wait_until("the changefeed reports its checkpoint", t:timeout "30s", function()
          now = feed:status().checkpoint_ts
          return now:ms() > 0
        end)
        t:check("the checkpoint never goes back", now >= checkpoint, ("%s, after %s"):format(tostring(now), tostring(checkpoint)))
        checkpoint = now
      end
      drill.drain(t, feed, primary, "the changefeed has caught up", "30s")
      return ("%d deaths"):format(opt.deaths)
    end)

    t:step("the secondary equals the primary", function()
      load:stop()
      drill.drain(t, feed, primary, "the secondary has all that the primary has", "30s")
      t:check("the secondary equals the primary", t.verify.same(primary, secondary))
      t:check("no acknowledged write is missing", t.verify.ledger(load, secondary, { of = primary }))
    end)

    t:step("disaster and replay", function()
      load:start { on = primary }
      t:sleep(t:random_time("500ms", "2500ms"))
      t:disaster { kill = primary, while_busy = feed, within = "3s" }
      load:wait_disconnected()
      local replay = drill.replay(t, secondary, store:url "redo/forth")
      t:phase "check"
      drill.judge(t, load, secondary, { of = primary, point = replay.point })
      return ("%s rows of %s transactions, from the log of %d changefeed processes"):format(text.commas(replay.rows), text.commas(replay.transactions),
        opt.deaths + 1)
    end)
  end,
}
