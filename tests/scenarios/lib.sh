# Shared by the scenario tests: where drtest is, a scratch directory, assertions that say what they saw.
# shellcheck shell=bash
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
DRTEST=${DRTEST:-$PWD/${BUILD:-build}/drtest}
[ -x "$DRTEST" ] || { echo "not built: $DRTEST"; exit 1; }
scratch=$(mktemp -d /tmp/drtest-test.XXXXXX)
passed=0 failed=0 skipped=0
finish() {
	rm -rf "$scratch"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ] || exit 1
}
trap finish EXIT
ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); printf 'FAILED %s\n' "$*"; }

# expect NAME EXIT PATTERN COMMAND…: the exit code, and a pattern (extended regex) in stdout and stderr together.
# A machine under load may be slow: LIMIT is a usual machine's, in seconds, and four times that is waited for. An error has to be one line: PATTERN's line is the only one that begins with "drtest".
expect() {
	local name=$1 want=$2 pattern=$3 rc
	shift 3
	timeout $((${LIMIT:-60} * 4)) "$@" >"$scratch/out" 2>&1 </dev/null
	rc=$?
	if [ "$rc" != "$want" ]; then
		bad "$name: exit $rc, not $want: $(tail -n 5 "$scratch/out")"
	elif [ -n "$pattern" ] && ! grep -Eq -- "$pattern" "$scratch/out"; then
		bad "$name: no /$pattern/ in: $(tail -n 5 "$scratch/out")"
	else
		ok
	fi
}

# nothing_left NAME: of the runs in $out neither a process nor a data directory is left (their names tell them from other tests').
nothing_left() {
	local run
	for run in "$out"/*/; do
		run=$(basename "$run")
		if pgrep -af "/var/tmp/drtest-$run/" >"$scratch/left"; then
			bad "$1: still running: $(cat "$scratch/left")"
		elif [ -e "/var/tmp/drtest-$run" ]; then
			bad "$1: /var/tmp/drtest-$run is left"
		else
			ok
		fi
	done
	rm -rf "${out:?}"
}

# wait_for SECONDS COMMAND…: until it succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.01
	done
}
