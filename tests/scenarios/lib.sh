# Shared by the scenario tests: where drtest is, a scratch directory, assertions that say what they saw.
# shellcheck shell=bash
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
DRTEST=${DRTEST:-$PWD/${BUILD:-build}/drtest}
[ -x "$DRTEST" ] || { echo "not built: $DRTEST"; exit 1; }
scratch=$(mktemp -d /tmp/drtest-test.XXXXXX)
passed=0 failed=0
finish() {
	rm -rf "$scratch"
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ] || exit 1
}
trap finish EXIT
ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); printf 'FAILED %s\n' "$*"; }

# expect NAME EXIT PATTERN COMMAND…: the exit code, and a pattern (extended regex) in stdout and stderr together.
# An error has to be one line: PATTERN's line is the only one that begins with "drtest".
expect() {
	local name=$1 want=$2 pattern=$3 rc
	shift 3
	timeout "${LIMIT:-60}" "$@" >"$scratch/out" 2>&1 </dev/null
	rc=$?
	if [ "$rc" != "$want" ]; then
		bad "$name: exit $rc, not $want: $(tail -n 5 "$scratch/out")"
	elif ! grep -Eq -- "$pattern" "$scratch/out"; then
		bad "$name: no /$pattern/ in: $(tail -n 5 "$scratch/out")"
	else
		ok
	fi
}
