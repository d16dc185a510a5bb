#!/bin/bash
# The verdict of a drill reads the secondary as it was held before the first write of the service.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
LIMIT=90
for plant in later row ledger; do
	case $plant in
	later) want=0 seen='PASS' ;;
	row) want=1 seen='FAILED: model' ;;
	ledger) want=1 seen='FAILED: ledger' ;;
	esac
	expect "a defect: $plant" $want "$seen" "$DRTEST" run tests/scenarios/held.lua --out "$scratch/$plant" --set plant=$plant
done
