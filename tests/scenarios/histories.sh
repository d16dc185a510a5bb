#!/bin/bash
# Loads that are judged by what they read and wrote, and by their own conditions: a real disaster passes; a list that lost an element,
# a balance that lost a coin, an order without its lines do not.
. "$(dirname "$0")/lib.sh"
LIMIT=90
for load in append bank tpcc oltp_insert; do
	expect "$load survives a disaster" 0 'PASS' "$DRTEST" run tests/planted/histories.lua --store file --seed 7 --out "$scratch/runs" --set load=$load
done
test=$(dirname "$DRTEST")/drtest-test
[ -x "$test" ] || { echo "not built: $test"; exit 1; }
expect "oltp_insert: a changed digit is a corrupt value" 1 'FAILED: rows: 1 of [0-9]* rows' "$DRTEST" run tests/planted/histories.lua --store file \
	--seed 7 --out "$scratch/runs" --set load=oltp_insert --set spoil=true --set soak=1s
expect "append: a transaction that the feed drops is a lost update" 1 'FAILED: history: .*lost updates [1-9]' \
	env DRTEST_FAILPOINT=feed.txn_dropped:40+ "$test" run tests/planted/histories.lua --store file --seed 8 --out "$scratch/runs" --set load=append
expect "tpcc: what the replay drops breaks a condition" 1 'FAILED: conditions' \
	env DRTEST_FAILPOINT=feed.sink_stuck,redo.txn_dropped:40,redo.txn_dropped:120,redo.txn_dropped:200 \
	"$test" run tests/planted/histories.lua --store file --seed 8 --out "$scratch/runs" --set load=tpcc
