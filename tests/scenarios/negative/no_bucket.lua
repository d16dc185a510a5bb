-- The backup's URI names a bucket that the store does not have.
local scenario = require "drtest.scenario"
return scenario { name = "no_bucket", run = function(t)
  t:step("back up", function()
    local store = t:store { buckets = { "backup" } }
    local c = t:cluster { name = "primary" }
    c:backup((store:url("backup/full"):gsub("s3://backup", "s3://nowhere")))
  end)
end }
