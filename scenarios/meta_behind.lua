-- The store is slow, so rows are durable in the redo log well before the meta that covers them. The secondary must not have what the meta does not
-- cover yet: a replay would leave it torn.

-- A TiCDC whose sink does not wait for the meta fails here (docs/TICDC-FAULTS.md).
local scenario = require "drtest.scenario"
local drill = require "drtest.drill"
local text = require "drtest.text"

return scenario {
  name = "meta_behind",
  promotes = true,
  needs = { "store", "kill", "link", "delay" },
  options = drill.options {
    rate = { 60,      "transactions per second of all connections together", max = 10000000 },
    late = { "1500ms", "additional latency of each request to the store" },
    soak = { "8s",    "load with the slow store before the disaster" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, feed, link

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 })
      link = t:link { "feed", store }
      load = drill.load(t, primary, opt)
      feed = drill.replicate(primary, secondary, store)
      t:caught_up(feed)
      t:redo_caught_up(feed)
    end)

    t:step("slow store, then the primary dies", function()
      local late = t:fault { delay = link, by = opt.late, direction = "up" }
      t:sleep(opt.soak)
      t:disaster { kill = primary, at = t:random_time("1ms", "2s") }:wait()
      late:heal()
      load:wait_disconnected()
      return ("SIGKILL after %s acknowledged transactions"):format(text.commas(load:stats().acked))
    end)

    t:step("replay", function()
      local replay = drill.replay(t, secondary, store:url "redo/forth")
      drill.promote(t, load, secondary, { of = primary, point = replay.point })
      drill.stop(t, load, secondary)
      return ("%s rows of %s transactions"):format(text.commas(replay.rows), text.commas(replay.transactions))
    end)
  end,
}
