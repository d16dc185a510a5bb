-- What it waits for does not happen within the time.
local scenario = require "drtest.scenario"
return scenario { name = "never", run = function(t)
  t:step("wait", function() t:eventually("pigs fly", "300ms", function() return false end) end)
  t:step("unreached", function() error "a failed wait has to end the run" end)
end }
