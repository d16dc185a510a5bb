-- The secondary already has the tables that a restore would make.
local scenario = require "drtest.scenario"
return scenario { name = "has_tables", run = function(t)
  t:step("restore over them", function()
    local store = t:store { buckets = { "backup" } }
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    local load = t:load { "oltp_write_only", tables = 2, table_size = 100, load_tables = 2, workers = 2, rate = 10 }
    load:prepare { on = primary }
    load:prepare { on = secondary }
    secondary:restore(primary:backup(store:url "backup/full"))
  end)
end }
