-- A mistake in the script.
local scenario = require "drtest.scenario"
local function deeper(x) return x.field.other end
return scenario { name = "script_error", run = function(t)
  t:step("stumble", function()
    deeper {}
  end)
end }
