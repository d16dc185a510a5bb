#!/bin/bash
# The verdict of a drill reads the secondary as it was held before the first write of the service, which does not wait for it unless it is told to.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
LIMIT=90
for check in after before; do
	for plant in later row ledger; do
		case $plant in
		later) want=0 seen='PASS' ;;
		row) want=1 seen='FAILED: model' ;;
		ledger) want=1 seen='FAILED: ledger' ;;
		esac
		expect "judged $check, a defect: $plant" $want "$seen" "$DRTEST" run tests/scenarios/held.lua --out "$scratch/$check-$plant" \
			--set plant=$plant --set check=$check
		grep -q '"check_ms": *[0-9]' "$scratch/$check-$plant"/*/result.json && in=before || in=after
		[ $in = $check ] && ok || bad "judged $check: the checks' time in RTO: $in"
	done
done
expect "a scenario that promotes nothing has no such option" 2 "has no option 'check'" "$DRTEST" run scenarios/switchover.lua --plan --set check=before
# every scenario that takes the service to another cluster after a disaster lets it go on first
for s in scenarios/*.lua; do
	grep -q 't:recovered("service"' "$s" && bad "$s ends the RTO by itself: t:promote does"
	if grep -Eq '(t:promote|drill.promote)[(]' "$s"; then
		grep -q '^  promotes = true,$' "$s" && ok || bad "$s has no option check: promotes = true"
		if grep -q '^  needs = .*"pair"' "$s"; then # the plan refuses what the run would
			expect "$s may judge first" 3 'the local ground has no existing pair' "$DRTEST" run "$s" --on local --plan --set check=before
		else
			expect "$s may judge first" 0 '' "$DRTEST" run "$s" --plan --set check=before
		fi
	fi
done
