-- The store fails while the changefeed writes its redo log: killed, frozen, 503, 403, cut bodies, slow. Nothing may advance that is not durable, the
-- changefeed must recover by itself, and a replay must find every acknowledged transaction up to the log's end.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "store_outage",
  needs = { "store", "kill", "pause", "link", "refuse", "cut_body" },
  options = drill.options {
    outage     = { "2.5s", "length of each outage; longer than a flush interval, so that it contains a flush" },
  },
  run = function(t, opt)
    local store, primary, secondary, load, feed, link

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
      link = t:link { "feed", store }
      load = drill.load(t, primary, opt)
      feed = drill.replicate(primary, secondary, store)
      t:caught_up(feed)
    end)

    -- One outage: total ones let nothing pass, partial ones may let some of it.
    local function outage(name, total, begin, finish)
      t:step(name, function()
        local acked = load:stats().acked
        begin()
        t:sleep(t:on_tidb() and "3s" or "300ms") -- what was on its way has arrived, or never will
        local before = feed:status().resolved_ts
        t:sleep(opt.outage)
        local during = feed:status().resolved_ts
        if total then t:check("resolvedTs stands still while nothing can be made durable", before == during) end
        t:check("the primary continues to serve", load:stats().acked > acked)
        finish()
        drill.drain(t, feed, primary, "the changefeed has caught up", "30s")
        return ("%s transactions meanwhile"):format(text.commas(load:stats().acked - acked))
      end)
    end

    local outages = {
      function()
        outage("the store is killed, and comes back", true, function() t:fault { kill = store } end, function() store:start() end)
      end,
      function()
        local f
        outage("the store freezes", true, function() f = t:fault { pause = store } end, function() f:heal() end)
      end,
      function()
        local f
        outage("the store answers 503", true, function() f = t:fault { refuse = link, status = 503 } end, function() f:heal() end)
      end,
      function()
        local f
        outage("the store denies access", true, function() f = t:fault { refuse = link, status = 403, match = "PUT" } end, function() f:heal() end)
      end,
      function()
        local f
        outage("half of the requests fail with 500", false, function() f = t:fault { refuse = link, status = 500, share = 0.5 } end,
          function() f:heal() end)
      end,
      function()
        local f
        outage("bodies are cut in the middle", true, function() f = t:fault { cut_body = link, after_bytes = 5, match = "PUT" } end,
          function() f:heal() end)
      end,
      function()
        local f
        outage("responses are lost after execution", true,
          function() f = t:fault { cut_body = link, after_bytes = 9, match = "PUT", answer = true } end, function() f:heal() end)
      end,
      function()
        local f
        outage("the store is slow", false, function() f = t:fault { slow = link, kb_per_s = 20 } end, function() f:heal() end)
      end,
    }
    for i = #outages, 2, -1 do -- in an order that the seed draws
      local k = t:random(i) + 1
      outages[i], outages[k] = outages[k], outages[i]
    end
    for _, one in ipairs(outages) do one() end

    t:step("disaster and replay", function()
      t:sleep(t:random_time "2s")
      t:disaster { kill = primary, while_busy = feed, within = "3s" }
      load:wait_disconnected()
      local replay = drill.replay(t, secondary, store:url "redo/forth")
      t:phase "check"
      drill.judge(t, load, secondary, { of = primary, point = replay.point })
      local s = link:stats()
      t:figure("store_requests", s.requests)
      t:figure("store_requests_refused", s.refused)
      t:figure("store_requests_cut", s.cut)
      return ("%s rows replayed; of %s requests %s were refused, %s cut"):format(text.commas(replay.rows), text.commas(s.requests),
        text.commas(s.refused), text.commas(s.cut))
    end)
  end,
}
