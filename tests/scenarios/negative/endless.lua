-- A loop that never waits: a deadline and Ctrl-C reach it all the same.
local scenario = require "drtest.scenario"
return scenario { name = "endless", run = function(t)
  t:step("spin", function() while true do end end) -- luacheck: ignore
end }
