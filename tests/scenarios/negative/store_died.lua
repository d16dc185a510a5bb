-- The store is used by nobody, and dies.
local scenario = require "drtest.scenario"
return scenario { name = "store_died", options = { buckets = { 2, "how many" } }, run = function(t)
  t:step("set up", function() return tostring(t:store { buckets = { "backup" } }) end)
  t:step("wait", function() t:sleep "1m" end)
end }
