#!/bin/bash
# The drill of a changefeed that runs already, on clusters that run already (stand-ins, started here as an operator would): followed, never stopped, its log
# replayed when the primary, by the file's command, has died.
. "$(dirname "$0")/lib.sh"
chmod 755 "$scratch"
export TIUP_HOME=$scratch/tiup PATH=$PWD/tests/standins:$PATH DRTEST DB_PASSWORD=
mkdir -p "$TIUP_HOME/bin" "$scratch/store"
echo '{}' >"$TIUP_HOME/bin/root.json"
out=$scratch/runs
# Below the ports that the kernel gives out, and above where drtest's own playgrounds begin.
for offset in $(shuf -e 7100 8100 9100 10100); do
	busy=0
	for o in "$offset" $((offset + 1000)) $((offset + 2000)); do
		for p in 4000 10080 2379 2380 20160 20180 8300 9527; do (: </dev/tcp/127.0.0.1/$((p + o))) 2>/dev/null && busy=1; done
	done
	[ $busy = 0 ] && break
done
cat >"$scratch/start" <<S
#!/bin/bash
# start TAG OFFSET
setsid tiup --tag "\$1" playground v8.5.7 --host 127.0.0.1 --db 1 --pd 1 --kv 1 --tiflash 0 --ticdc 1 --without-monitor --port-offset "\$2" \\
	>"$scratch/\$1.log" 2>&1 </dev/null &
echo \$! >"$scratch/\$1.pid"
S
cat >"$scratch/kill" <<S
#!/bin/bash
# kill TAG: every process of it in one instant. The stand-in's processes have groups of their own: they are known by the tag's folder.
for pid in \$(pgrep -f "$TIUP_HOME/data/\$1/") \$(cat "$scratch/\$1.pid"); do kill -9 "\$pid" 2>/dev/null; done
true
S
chmod +x "$scratch/start" "$scratch/kill"
trap 'for c in primary secondary; do [ -e "$scratch/$c.pid" ] && "$scratch/kill" $c; done; finish' EXIT
"$scratch/start" primary "$offset"
"$scratch/start" secondary "$((offset + 1000))"
for name in primary secondary; do
	wait_for 60 test -e "$TIUP_HOME/data/$name/dsn" || { cat "$scratch/$name.log"; bad "$name did not start"; exit 1; }
done
cat >"$scratch/clusters.lua" <<L
local function at(offset)
  return { sql = { host = "127.0.0.1", port = 4000 + offset, password = env "DB_PASSWORD" }, pd = "http://127.0.0.1:" .. 2379 + offset,
           status = "http://127.0.0.1:" .. 10080 + offset, ticdc = "http://127.0.0.1:" .. 8300 + offset }
end
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
LIMIT=90 expect "the drill passes" 0 '^PASS 4 checks' "$DRTEST" run scenarios/live_failover.lua --on attach --clusters "$scratch/clusters.lua" --out "$out" \
	--set tables=2 --set table_size=200 --set soak=2s
cat "$scratch/out"
grep -Eq '^RPO  lost [0-9,]+ of [0-9,]+' "$scratch/out" && ok || bad "no RPO"
expect "on the local ground nothing runs" 3 'pair: nothing runs already on the local ground.*scenarios/failover.lua is this drill' "$DRTEST" run scenarios/live_failover.lua --on local \
	--store file --out "$out"
