-- Waits, so that something can happen from outside.
local scenario = require "drtest.scenario"
return scenario { name = "waits", run = function(t)
  t:step("set up", function() return tostring(t:cluster { name = "primary" }) end)
  t:step("wait", function() t:sleep "1m"; t:check("it ran on", true) end)
end }
