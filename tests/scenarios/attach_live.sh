#!/bin/bash
# The drill of a changefeed that runs already, on clusters that run already (stand-ins, started here as an operator would): followed, never stopped, its log
# replayed when the primary, by the file's command, has died.
. "$(dirname "$0")/lib.sh"
attached_pair
cat >"$scratch/clusters.lua" <<L
$at_lua
local primary, secondary = at($offset), at($((offset + 1000)))
primary.expendable = true
primary.commands = { kill = { "$scratch/kill", "primary" } }
secondary.allow = { "restore", "write" }
return { primary = primary, secondary = secondary, store = "file://$scratch/store", redo = "file://$scratch/redo", changefeed = "live" }
L
cat >"$scratch/setup.lua" <<L
local scenario = require "drtest.scenario"
return scenario { name = "setup", run = function(t)
  t:step("set up", function()
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    primary:sql "CREATE DATABASE shop"
    primary:sql "CREATE TABLE shop.t (id INT PRIMARY KEY)"
    primary:sql "INSERT INTO shop.t VALUES (1)"
    local backup = primary:backup(t:store { buckets = { "backup" } }:url "backup/first")
    secondary:restore(backup)
    primary:changefeed { id = "live", sink = secondary, start_ts = backup.ts, redo = "file://$scratch/redo" }
    t:check("it runs", true)
  end)
end }
L
expect "a pair is set up" 0 'PASS' "$DRTEST" run "$scratch/setup.lua" --on attach --clusters "$scratch/clusters.lua" --out "$out" --keep
LIMIT=90 expect "the plan" 0 'GET /api/v2/changefeeds/live, which goes on as it is' "$DRTEST" run scenarios/live_failover.lua --on attach \
	--clusters "$scratch/clusters.lua" --plan
LIMIT=90 expect "a game day is the file's own disaster" 0 "$scratch/kill primary" "$DRTEST" gameday --clusters "$scratch/clusters.lua" --plan
LIMIT=90 expect "the drill passes" 0 '^PASS 5 checks' "$DRTEST" run scenarios/live_failover.lua --on attach --clusters "$scratch/clusters.lua" --out "$out" \
	--set tables=2 --set table_size=200 --set soak=2s
cat "$scratch/out"
grep -Eq '^RPO  lost [0-9,]+ of [0-9,]+' "$scratch/out" && ok || bad "no RPO"
expect "on the local ground nothing runs" 3 'pair: nothing runs already on the local ground.*scenarios/failover.lua is this drill' "$DRTEST" run scenarios/live_failover.lua --on local \
	--store file --out "$out"
