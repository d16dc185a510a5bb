-- Nothing is checked: nothing is proved.
local scenario = require "drtest.scenario"
return scenario { name = "no_check", run = function(t) t:step("rest", function() t:sleep "10ms" end) end }
