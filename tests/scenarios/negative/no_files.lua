-- A script reaches no files.
local scenario = require "drtest.scenario"
return scenario { name = "no_files", run = function(t)
  t:step("reach out", function() return io.open("/etc/passwd") end) -- luacheck: ignore
end }
