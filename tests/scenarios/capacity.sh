#!/bin/bash
# drtest capacity: a knee is found under a target, or it is said that there is none; wrong targets get one line.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
out=$scratch/runs
LIMIT=120
quick=(--store file --out "$out" --tables 1 --table-size 500 --hold 1s --workers 4)
expect "a plan" 0 'hold 50/s' "$DRTEST" capacity "${quick[@]}" --plan
expect "a rate that holds" 0 'the knee +ok .*100/s hold; no rate up to there breaks the target' \
	"$DRTEST" capacity "${quick[@]}" --target 'p99<60s,lag<60s,rpo<60s' --min-rate 100 --max-rate 100
grep -q 'if the primary died now: .* lost  holds' "$scratch/out" && ok || bad "no RPO in the curve"
expect "wrong target" 2 "option target: 'p98<5ms' must be a list of p50, p95" "$DRTEST" capacity "${quick[@]}" --target 'p98<5ms'
expect "wrong option" 2 "there is no option --speed" "$DRTEST" capacity "${quick[@]}" --speed 5
expect "no value" 2 "needs a value" "$DRTEST" capacity --target
expect "throughput, each alone" 0 'replay, nothing else +ok .* rows/s' "$DRTEST" run scenarios/throughput.lua --store file --out "$out" --set tables=2 \
	--set table_size=1000 --set time=1s
for figure in backup_rows_per_s restore_rows_per_s load_tps changefeed_rows_per_s replay_rows_per_s; do
	grep -q "\"$figure\": *[1-9]" "$out"/*throughput*/result.json && ok || bad "no figure $figure"
done
expect "what a scenario does with a load" 0 'PASS 1[0-9] checks' "$DRTEST" run tests/scenarios/load_api.lua --store file --out "$out"
expect "a broken condition" 1 'FAILED: a planted coin is found: 1 of 2 conditions are violated; the balances of bank1 add up to 100000: found 100 100001' \
	"$DRTEST" run tests/scenarios/load_api.lua --store file --out "$out" --set plant=true
nothing_left "the searches"
