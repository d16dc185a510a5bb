-- The pair whose disaster is rehearsed is only read and backed up. Only the scratch cluster, which exists for this, is written to.
local keys = "?access-key=" .. env "AWS_ACCESS_KEY_ID" .. "&secret-access-key=" .. env "AWS_SECRET_ACCESS_KEY" ..
             "&endpoint=http://minio.dr-drill:9000&force-path-style=true"

local function cluster(name, o)
  o.sql = { host = name .. "-tidb.dr-drill", port = 4000, user = "drtest", password = env "MYSQL_PWD" }
  o.pd = "http://" .. name .. "-pd.dr-drill:2379"
  o.status = "http://" .. name .. "-tidb.dr-drill:10080"
  return o
end

return {
  store = "s3://drtest/runs" .. keys,
  redo = "s3://redo/primary-to-secondary" .. keys,
  redo_time_zone = "+00:00", -- the time zone of TiCDC's pods, which its log does not contain
  primary = cluster("primary", { allow = { "backup", "gc" } }),
  scratch = cluster("scratch", { expendable = true }),
}
