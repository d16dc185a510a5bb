-- Compares both clusters while both serve, at the pairs of TSOs that a changefeed with syncpoints records: for every night, without a scratch cluster
-- and without a pause of the load.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "syncpoint",
  needs = { "time_travel" },
  options = drill.options {
    rate       = { 50,    "transactions per second of all connections together", max = 10000000 },
    interval   = { "30s", "interval between syncpoints; TiCDC requires at least 30 s", min = "30s" },
    pairs      = { 2,     "to compare", min = 1, max = 1000 },
  },
  run = function(t, opt)
    local store, primary, secondary, load, feed, last

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 })
      load = drill.load(t, primary, opt)
      secondary:set_gc(false)
      feed = drill.replicate(primary, secondary, store, nil, { syncpoint = opt.interval })
      t:caught_up(feed)
    end)

    for i = 1, opt.pairs do
      t:step(("pair %d"):format(i), function()
        local pair
        t:eventually("a new syncpoint is there", t:timeout "3m", function()
          local ok, found = t:attempt(function() return secondary:syncpoint(feed) end)
          if ok and (not last or last.primary < found.primary) then pair = found end
          return pair ~= nil, not ok and found or nil
        end)
        if t:planning() then pair = secondary:syncpoint(feed) end
        last = pair
        local behind = t:now()
        local same = t:check("primary and secondary are equal at the pair, under load", t.verify.same(primary, secondary,
          { at = pair.primary, b_at = pair.secondary }))
        local now = primary:current_tso()
        local lost_ms = t:planning() and 0 or now:ms() - pair.primary:ms() - (t:now() - behind) * 1000
        t:figure("fall_back_ms", math.max(0, math.floor(lost_ms)))
        return ("%s at %s and %s; falling back to it then would lose %s"):format(text.compared(same), tostring(pair.primary), tostring(pair.secondary),
          text.seconds(math.max(0, lost_ms) / 1000))
      end)
    end

    t:step("the load ran all the while", function()
      load:stop()
      local position = primary:position()
      t:eventually("the secondary has all of it", "2m", function() return feed:reached(position) end)
      feed:stop()
      t:check("every row of the secondary is as its transactions left it", t.verify.model(load, secondary, { of = primary }))
      return ("%s transactions"):format(text.commas(load:stats().acked))
    end)
  end,
}
