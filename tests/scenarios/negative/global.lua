-- A global by mistake.
local scenario = require "drtest.scenario"
return scenario { name = "global", run = function(t)
  t:step("assign", function() counter = 1 end) -- luacheck: ignore
end }
