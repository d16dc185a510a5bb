-- A check whose name and evidence are no UTF-8: its verdict is kept all the same.
local scenario = require "drtest.scenario"
return scenario { name = "bytes", run = function(t)
  t:step("step \255", function() t:check("check \255", false, "evidence \192\128") end)
end }
