#!/bin/bash
# The whole failover drill, small: every check passes, the run folder is whole, the redo log is one that TiCDC's reader takes, secrets
# are nowhere, and nothing is left behind.
. "$(dirname "$0")/lib.sh"
LIMIT=120
out=$scratch/runs

expect "the drill passes" 0 'PASS' "$DRTEST" run scenarios/failover.lua --on local --seed 7 --out "$out" \
	--set tables=4 --set table_size=1000 --set soak=4s
cat "$scratch/out"
run=$(find "$out" -mindepth 1 -maxdepth 1 -type d | head -n 1)
for f in journal.jsonl.zst result.json report.html junit.xml ledger logs; do
	[ -e "$run/$f" ] && ok || bad "the run folder lacks $f"
done
python3 - "$run/result.json" <<'P' && ok || bad "result.json"
import json, sys
r = json.load(open(sys.argv[1]))
assert r['verdict'] == 'pass', r['verdict']
assert r['schema'] >= 1
P
! grep -rq miniostorage "$run" --include='*' && ok || bad "a secret is in the run folder: $(grep -rl miniostorage "$run")"
! zstd -dc "$run/journal.jsonl.zst" | grep -q miniostorage && ok || bad "a secret is in the journal"
expect "the report can be made again" 0 '' "$DRTEST" report "$run"
nothing_left "a drill"
