#!/bin/bash
# The drill of a changefeed that runs already, on clusters that run already (stand-ins, started here as an operator would): followed, never stopped, its log
# replayed when the primary, by the file's command, has died.
. "$(dirname "$0")/lib.sh"
live_pair
LIMIT=90 expect "the plan" 0 'GET /api/v2/changefeeds/live, which is not changed' "$DRTEST" run scenarios/live_failover.lua --on attach \
	--clusters "$scratch/clusters.lua" --plan
LIMIT=90 expect "a game day is the file's own disaster" 0 "$scratch/kill primary" "$DRTEST" gameday --clusters "$scratch/clusters.lua" --plan
sed "s|^return|primary.ticdc, secondary.ticdc = secondary.ticdc, primary.ticdc\n&|" "$scratch/clusters.lua" >"$scratch/mixed.lua"
LIMIT=90 expect "another cluster's TiCDC" 3 'primary: ticdc at .* is not of the cluster of sql at' "$DRTEST" run scenarios/live_failover.lua --on attach --clusters "$scratch/mixed.lua" --out "$out"
LIMIT=90 expect "the drill passes" 0 '^PASS 5 checks' "$DRTEST" run scenarios/live_failover.lua --on attach --clusters "$scratch/clusters.lua" --out "$out" \
	--set tables=2 --set table_size=200 --set soak=2s
cat "$scratch/out"
grep -Eq '^RPO  lost [0-9,]+ of [0-9,]+' "$scratch/out" && ok || bad "no RPO"
expect "on the local ground nothing runs" 3 'pair: the local ground has no existing pair.*scenarios/failover.lua for this drill' "$DRTEST" run scenarios/live_failover.lua --on local \
	--store file --out "$out"
