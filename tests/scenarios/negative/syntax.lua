-- No Lua.
local scenario = require "drtest.scenario"
return scenario { name = "syntax" run = }
