#!/bin/bash
# The verdict's own test in its short form: a drill is recorded, each defect planted in it is caught, each harmless twin passes; then, by
# the build with fault points, drills in which one process lies.
. "$(dirname "$0")/lib.sh"
LIMIT=90
test=$(dirname "$DRTEST")/drtest-test
[ -x "$test" ] || { echo "not built: $test"; exit 1; }
expect "every planted defect is caught" 0 'every defect found, no false alarm' "$test" selftest --seeds 2 --faults 1 --output "$scratch/table.json"
cat "$scratch/out"
python3 - "$scratch/table.json" <<'P' && ok || bad "table.json"
import json, sys
t = json.load(open(sys.argv[1]))
assert t['good'] and t['planted'] >= 100 and len(t['defects']) >= 45
assert all(d['caught'] == (0 if d['harmless'] else d['planted']) and d['planted'] > 0 for d in t['defects'])
P
expect "a wrong option is said" 2 'not a whole number from 1 to 1000' "$DRTEST" selftest --seeds 0
expect "the product has no fault points" 2 'no failpoints' "$DRTEST" selftest --faults 1
