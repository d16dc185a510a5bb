-- A bucket that the scenario did not ask for.
local scenario = require "drtest.scenario"
return scenario { name = "unknown_bucket", run = function(t)
  t:step("ask", function() t:store { buckets = { "backup" } }:url "redo/x" end)
end }
