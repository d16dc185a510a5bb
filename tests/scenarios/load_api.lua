-- What a scenario can do with a load: rates as data, other rates while it runs, windows, moving to another cluster, its conditions.
local scenario = require "drtest.scenario"

return scenario {
  name = "load_api",
  options = { plant = { false, "break the bank's condition" } },
  run = function(t, opt)
    local a, b, load

    t:step("a load whose rate is data", function()
      a, b = t:clusters({ name = "a" }, { name = "b" })
      load = t:load { "bank", tables = 2, table_size = 100, workers = 4, rate = "100/1s,400", pace = "even", reconnect = true, protocol = "text" }
      load:prepare { on = a }
      load:prepare { on = b }
      load:start { on = a }
      t:sleep "1s"
      load:interval()
      t:sleep "1s"
      local seen = load:interval()
      t:check("the second step's rate is kept", t:planning() or (seen.tps > 300 and seen.tps < 450), tostring(seen.tps))
      t:check("queueing is told from service", t:planning() or (seen.queue_p50 <= seen.p50 and seen.service_p50 <= seen.p50 and seen.p50 > 0))
      load:rate(100)
      t:sleep "500ms"
      load:interval()
      t:sleep "1s"
      seen = load:interval()
      t:check("the rate changes while it runs", t:planning() or (seen.tps > 60 and seen.tps < 140), tostring(seen.tps))
    end)

    t:step("it moves on", function()
      local before = load:stats().acked
      load:resume { on = b }
      load:first_ack()
      t:sleep "500ms"
      load:stop()
      t:check("it works on the other cluster", t:planning() or load:stats().acked > before)
      t:check("the sum is the same there", load:checks { on = b })
      t:check("and here", load:checks { on = a })
      local last = a:query "SELECT worker, MAX(seq) FROM sbtest.drtest_ledger GROUP BY worker"
      for _, row in ipairs(last) do
        local next = b:query(("SELECT MIN(seq) FROM sbtest.drtest_ledger WHERE worker = %s"):format(row[1]))
        t:check(("worker %s's sequences went on"):format(row[1]), tonumber(next[1][1]) > tonumber(row[2]))
      end
      if opt.plant then
        b:sql "UPDATE sbtest.bank1 SET k = k + 1 WHERE id = 3"
        t:check("a planted coin is found", load:checks { on = b })
      end
    end)
  end,
}
