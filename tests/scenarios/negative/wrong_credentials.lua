-- The backup's URI has a password that is not the store's.
local scenario = require "drtest.scenario"
return scenario { name = "wrong_credentials", run = function(t)
  t:step("back up", function()
    local store = t:store { buckets = { "backup" } }
    local c = t:cluster { name = "primary" }
    c:backup((store:url("backup/full"):gsub("secret%-access%-key=%x+", "secret-access-key=not-the-one")))
  end)
end }
