-- A changefeed from a TSO that the primary knows nothing of.
local scenario = require "drtest.scenario"
return scenario { name = "unknown_start_ts", run = function(t)
  t:step("start", function()
    local store = t:store { buckets = { "redo" } }
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    primary:changefeed { id = "feed", sink = secondary, start_ts = t.tso "1000", redo = store:url "redo/x" }
  end)
end }
