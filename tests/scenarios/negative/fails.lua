-- A check fails: exit code 1, and the steps after it still run.
local scenario = require "drtest.scenario"
return scenario { name = "fails", run = function(t)
  t:step("look", function() t:check("the moon is made of cheese", false, "it is made of rock") end)
  t:step("go on", function() t:check("the sky is up", true) end)
end }
