-- A pair of TidbClusters (TiDB Operator) in a namespace for drills; Chaos Mesh causes the disaster:
--
--   drtest run scenarios/failover.lua --on attach --clusters examples/tidb-operator/clusters.lua
--
-- Run it in the Kubernetes cluster (examples/load-job.yaml has an image and secrets), where the services' names resolve.
local keys = "?access-key=" .. env "AWS_ACCESS_KEY_ID" .. "&secret-access-key=" .. env "AWS_SECRET_ACCESS_KEY" ..
             "&endpoint=http://minio.dr-drill:9000&force-path-style=true"

local function cluster(name)
  return {
    sql = { host = name .. "-tidb.dr-drill", port = 4000, user = "root", password = env "MYSQL_PWD" },
    pd = "http://" .. name .. "-pd.dr-drill:2379", status = "http://" .. name .. "-tidb.dr-drill:10080",
    ticdc = "http://" .. name .. "-ticdc-peer.dr-drill:8300",
    -- these clusters exist for drills
    expendable = true,
    commands = {
      -- all its pods at the same moment; pod-failure keeps the operator from starting them again
      kill = { "kubectl", "apply", "-f", "examples/tidb-operator/disaster-" .. name .. ".yaml" },
    },
  }
end

local primary, secondary = cluster "primary", cluster "secondary"
local new_primary = cluster "new-primary"
-- created when the drill needs it, from a manifest like those of the others, and deleted afterwards
new_primary.commands = {
  start = { "sh", "-c", "kubectl apply -f examples/tidb-operator/new-primary.yaml && kubectl -n dr-drill wait --for=condition=Ready "
            .. "--timeout=10m tidbcluster/new-primary" },
  destroy = { "kubectl", "delete", "-f", "examples/tidb-operator/new-primary.yaml" },
}

return {
  store = "s3://drtest/runs" .. keys,
  redo = "s3://redo/primary-to-secondary" .. keys,
  redo_time_zone = "+00:00", -- the time zone of TiCDC's pods, which its log does not contain
  primary = primary, secondary = secondary, ["new-primary"] = new_primary,
}
