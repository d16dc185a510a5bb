-- Single components of the primary die under load: TiCDC's owner, one TiKV of three, PD's leader, a TiDB. Writes and the changefeed must continue
-- without loss. On playground it needs 12 GiB of memory.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "component_deaths",
  needs = { "kill" },
  options = drill.options {
    parts  = { "ticdc-owner tikv-1 pd-leader tidb-1", "components that die, one after another" },
    within = { "1m", "maximum time until writes and the changefeed go on" },
  },
  run = function(t, opt)
    local primary, secondary, load, feed

    t:step("set up", function()
      local store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary", db = 2, pd = 3, kv = 3, ticdc = 2 }, { name = "secondary", ticdc = 0 })
      load = drill.load(t, primary, opt)
      feed = drill.replicate(primary, secondary, store)
      t:caught_up(feed)
    end)

    for part in opt.parts:gmatch "%S+" do
      t:step(part .. " dies", function()
        t:kill(primary, part)
        local acked = load:stats().acked
        t:eventually("writes go on without " .. part, t:timeout(opt.within), function() return load:stats().acked > acked + opt.workers end)
        local last = primary:position()
        t:eventually("the changefeed goes on without " .. part, t:timeout(opt.within), function() return feed:reached(last) end)
      end)
    end

    t:step("the secondary equals the primary", function()
      load:stop()
      drill.drain(t, feed, primary, "the secondary has all that the primary has", opt.within)
      t:check("the secondary equals the primary", t.verify.same(primary, secondary))
      t:check("no acknowledged write is missing", t.verify.ledger(load, secondary, { of = primary }))
      return text.commas(load:stats().acked) .. " acknowledged transactions"
    end)
  end,
}
