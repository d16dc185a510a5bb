#!/bin/bash
# needs: redo-lint ($DRTEST_REDO_LINT) for the second half.
# What `make soak` does for an hour, for seconds: readers beside a changefeed at work, and drills whose logs are held against the format's checker.
. "$(dirname "$0")/lib.sh"
export DRTEST
expect "readers beside a changefeed at work" 0 'check [0-9]+.*; 0 findings' tests/soak/soak.py live 0.2 --set every=5s
if [ -e "${DRTEST_REDO_LINT:-../shared/tools/redo-lint}" ]; then
	expect "logs of drills" 0 '2 drills, [1-9][0-9]* records, 0 findings' tests/soak/soak.py lint 2
else
	skipped=$((skipped + 1))
	echo "skipped: no redo-lint (\$DRTEST_REDO_LINT): the logs' format is not held against it"
fi
