#!/bin/bash
# The whole failover drill on clusters that run already (stand-ins, started here as an operator would): the file's own command is the disaster,
# another one brings the new primary.
. "$(dirname "$0")/lib.sh"
attached_pair
cat >"$scratch/clusters.lua" <<L
$at_lua
local primary, secondary, new = at($offset), at($((offset + 1000))), at($((offset + 2000)))
primary.expendable = true
primary.commands = { kill = { "$scratch/kill", "primary" } }
secondary.allow = { "restore", "write", "backup", "gc", "changefeed" }
new.expendable = true
new.commands = { start = { "$scratch/start", "new", "$((offset + 2000))" }, destroy = { "$scratch/kill", "new" } }
return { primary = primary, secondary = secondary, ["new-primary"] = new, store = "file://$scratch/store", redo = "file://$scratch/redo" }
L
LIMIT=150 expect "the drill passes" 0 'PASS' "$DRTEST" run scenarios/failover.lua --on attach --clusters "$scratch/clusters.lua" --out "$out" \
	--set tables=3 --set table_size=300 --set soak=2s
cat "$scratch/out"
grep -q 'stand-ins, not the real tools' "$scratch/out" && ok || bad "the stand-ins are not named"
grep -Eq '^RPO  lost [0-9,]+ of [0-9,]+' "$scratch/out" && ok || bad "no RPO"
pgrep -f "$TIUP_HOME/data/primary/" >/dev/null && bad "the primary survived its disaster" || ok
mariadb -h127.0.0.1 -P$((offset + 5000)) -uroot --ssl=0 -BNe 'SELECT @@tidb_gc_enable' | grep -qx 1 && ok || bad "the secondary's garbage collection is not on again"
# what has to be put back is; what stays on the clusters is noted for drtest clean, by the clusters that this run could still reach
grep -lxE 'gc|user|feed' "$DRTEST_UNDO"/* && bad "a note of what has to be put back is left" || ok
expect "what is left is known" 0 'would remove from secondary: ' "$DRTEST" clean --clusters "$scratch/clusters.lua" --dry-run
