-- A server that answers nothing and ignores SIGTERM (it is stopped) is taken down all the same.
local scenario = require "drtest.scenario"
return scenario { name = "hanging_child", options = { soak = { "1m", "how long" } }, run = function(t, opt)
  t:step("pause it", function()
    local c = t:cluster { name = "primary" }
    c:pause()
  end)
  t:step("wait", function() t:sleep(opt.soak) end)
end }
