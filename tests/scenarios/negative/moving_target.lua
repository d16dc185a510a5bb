-- A cluster is compared while the load writes to it: refused, for whatever it found would be true of no moment.
local scenario = require "drtest.scenario"
return scenario { name = "moving_target", run = function(t)
  t:step("compare", function()
    local a, b = t:clusters({ name = "a" }, { name = "b" })
    local load = t:load { "oltp_write_only", tables = 1, table_size = 100, load_tables = 1, workers = 1, rate = 10 }
    load:prepare { on = a }
    load:start { on = a }
    t:check("equal", t.verify.same(a, b))
  end)
end }
