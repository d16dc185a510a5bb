# Shared by the scenario tests: where drtest is, a scratch directory, assertions that say what they saw.
# shellcheck shell=bash
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
DRTEST=${DRTEST:-$PWD/${BUILD:-build}/drtest}
[ -x "$DRTEST" ] || { echo "not built: $DRTEST"; exit 1; }
scratch=$(mktemp -d /tmp/drtest-test.XXXXXX)
export DRTEST_UNDO=$scratch/undo # what one test's killed run has left to be put back is no other's business
export TIUP_HOME=$scratch/tiup # a playground that runs on this machine is none of a test's (drtest clean)
# Real tools of TiDB are none of a test's: a folder of PATH that holds one is seen through links, without them.
without_tidb() {
	local IFS=: dir tool path='' n=0
	for dir in $PATH; do
		for tool in tiup cdc br sync_diff_inspector; do
			if [ -x "$dir/$tool" ]; then
				n=$((n + 1))
				mkdir "$scratch/path$n"
				find "$dir" -mindepth 1 -maxdepth 1 ! -name tiup ! -name cdc ! -name br ! -name sync_diff_inspector -exec ln -s -t "$scratch/path$n" {} +
				dir=$scratch/path$n
				break
			fi
		done
		path=$path${path:+:}$dir
	done
	PATH=$path
}
without_tidb
passed=0 failed=0 skipped=0
finish() {
	for run in "${out:-/nowhere}"/*/; do # what a run with --keep left, once its processes are ended
		rm -rf "/var/tmp/drtest-$(basename "$run")"
	done
	rm -rf "$scratch"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ] || exit 1
}
trap finish EXIT
ok() { passed=$((passed + 1)); echo "ok $passed"; } # a line each: tests/run sees that it goes on
bad() { failed=$((failed + 1)); printf 'FAILED %s\n' "$*"; }

# patience SECONDS: what a usual machine needs, in seconds of this one: four times as long, and longer the more others want its processors.
patience() {
	awk -v s="$1" -v n="$(nproc)" '{ print int(s * (4 + 4 * $1 / n)) }' /proc/loadavg
}

# expect NAME EXIT PATTERN COMMAND…: the exit code, and a pattern (extended regex) in stdout and stderr together.
# LIMIT: seconds of a usual machine. An error has to be one line: PATTERN's line is the only one that begins with "drtest".
expect() {
	local name=$1 want=$2 pattern=$3 rc
	shift 3
	timeout "$(patience "${LIMIT:-60}")" "$@" >"$scratch/out" 2>&1 </dev/null
	rc=$?
	if [ "$rc" != "$want" ]; then
		bad "$name: exit $rc, not $want: $(tail -n 5 "$scratch/out")"
	elif [ -n "$pattern" ] && ! grep -Eq -- "$pattern" "$scratch/out"; then
		bad "$name: no /$pattern/ in: $(tail -n 5 "$scratch/out")"
	else
		ok
	fi
}

# too_slow FILE: a search for the capacity says there that this machine could not serve its lowest rate in time: then nothing is proved, and nothing is wrong.
too_slow() { grep -Eq 'breaks keeps up \(twice\)|not within 5m; this machine was too slow|at 20/s shard [0-9]+ gave no answer' "$1"; }

# mark DIR: as the data directory of a run of this user's drtest.
mark() { printf "drtest's data directory %s, uid %s\n" "$(stat -c '%d:%i' "$1")" "$(id -u)" >"$1/lock"; }

# nothing_left NAME: of the runs in $out neither a process nor a data directory is left (their names tell them from other tests'; where another
# test began the same scenario with the same seed in the same second, its living drtest holds the directory's lock).
anothers() { [ -e "/var/tmp/drtest-$1/lock" ] && ! flock -n "/var/tmp/drtest-$1/lock" true; }
nothing_left() {
	local run
	for run in "$out"/*/; do
		run=$(basename "$run")
		if anothers "$run"; then
			ok
		elif pgrep -af "/var/tmp/drtest-$run/" >"$scratch/left" && ! anothers "$run"; then
			bad "$1: still running: $(cat "$scratch/left")"
		elif [ -e "/var/tmp/drtest-$run" ] && ! anothers "$run"; then
			bad "$1: /var/tmp/drtest-$run is left"
		else
			ok
		fi
	done
	rm -rf "${out:?}"
}

# wait_for SECONDS COMMAND…: until it succeeds; seconds of a usual machine. On a busy one that may be an hour: where nothing has been written in the
# scratch directory for five minutes and more than asked for, nothing will come any more.
wait_for() {
	local end=$((SECONDS + $(patience "$1"))) still=$((300 + $1)) moved=$SECONDS look=$SECONDS
	shift
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		if [ $((SECONDS - look)) -ge 10 ]; then
			[ -n "$(find "$scratch" -newermt "-$((SECONDS - look + 1)) seconds" -print -quit 2>/dev/null)" ] && moved=$SECONDS
			look=$SECONDS
			[ $((look - moved)) -lt $still ] || return 1
		fi
		sleep 0.1
	done
}

# MariaDB servers of a test's own: `servers` once, then `server NAME PORT [OPTION…]` for each. They end with the test; where no MariaDB is, so does it.
servers() {
	command -v mariadbd >/dev/null || { skipped=1; passed=1; echo "skipped: mariadbd is not installed"; exit 0; }
	chmod 755 "$scratch"
	as=() who=$(id -un)
	if [ "$(id -u)" = 0 ]; then who=nobody; as=(--user=nobody); fi
	pids=()
	trap servers_end EXIT
}
servers_end() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || :; done
	for p in "${pids[@]}"; do wait "$p" 2>/dev/null || :; done
	finish
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
server() {
	local name=$1 port=$2
	shift 2
	mkdir -p "$scratch/$name/tmp"
	chown -R "$who" "$scratch/$name"
	mariadb-install-db --no-defaults "${as[@]}" --datadir="$scratch/$name/data" --tmpdir="$scratch/$name/tmp" --auth-root-authentication-method=normal \
		--skip-test-db >"$scratch/$name.install" 2>&1 || { cat "$scratch/$name.install"; exit 3; }
	mariadbd --no-defaults "${as[@]}" --datadir="$scratch/$name/data" --tmpdir="$scratch/$name/tmp" --port="$port" --bind-address=127.0.0.1 \
		--socket="$scratch/$name/s" "$@" >"$scratch/$name.log" 2>&1 &
	pids+=($!)
	wait_for 60 mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -e 'SELECT 1' >/dev/null || { tail "$scratch/$name.log"; exit 3; }
}

# Two clusters that run already, as an operator would have started them (stand-ins): "primary" at $offset, "secondary" 1000 above it. $scratch/start TAG OFFSET and
# $scratch/kill TAG are the operator's commands; $at_lua begins a clusters file with a function that gives the cluster at an offset.
attached_pair() {
	trap 'for c in "$scratch"/*.pid; do [ -e "$c" ] && "$scratch/kill" "$(basename "$c" .pid)"; done; finish' EXIT
	chmod 755 "$scratch"
	export TIUP_HOME=$scratch/tiup PATH=$PWD/tests/standins:$PATH DRTEST DB_PASSWORD=
	mkdir -p "$TIUP_HOME/bin" "$scratch/store"
	echo '{}' >"$TIUP_HOME/bin/root.json"
	out=$scratch/runs
	# Below the ports that the kernel gives out, and above where drtest's own playgrounds begin: room for two such tests at once, a third one waits.
	local busy=1 tries=0
	while [ $busy = 1 ]; do
		for offset in $(shuf -e 7100 8100 9100 10100); do
			# Held as long as this test lives, against one that looks at the same time.
			exec 6>"/var/tmp/drtest-test-ports.$UID.$offset" 7>"/var/tmp/drtest-test-ports.$UID.$((offset + 1000))" \
				8>"/var/tmp/drtest-test-ports.$UID.$((offset + 2000))"
			flock -n 6 && flock -n 7 && flock -n 8 || continue
			busy=0
			for o in "$offset" $((offset + 1000)) $((offset + 2000)); do
				for p in 4000 10080 2379 2380 20160 20180 8300 9527; do (: </dev/tcp/127.0.0.1/$((p + o))) 2>/dev/null && busy=1; done
			done
			[ $busy = 0 ] && break
		done
		[ $busy = 0 ] && break
		exec 6>&- 7>&- 8>&-
		tries=$((tries + 1))
		[ $tries -lt 300 ] || { bad "no free ports for two clusters"; exit 1; }
		[ $((tries % 10)) = 0 ] && echo "waiting for ports"
		sleep 2
	done
	cat >"$scratch/start" <<S
#!/bin/bash
# start TAG OFFSET
setsid tiup --tag "\$1" playground v8.5.7 --host 127.0.0.1 --db 1 --pd 1 --kv 1 --tiflash 0 --ticdc 1 --without-monitor --port-offset "\$2" \\
	>"$scratch/\$1.log" 2>&1 </dev/null &
echo \$! >"$scratch/\$1.pid"
S
	cat >"$scratch/kill" <<S
#!/bin/bash
# kill TAG: every process of it in one instant. The stand-in's processes have groups of their own: they are known by the tag's folder.
for pid in \$(pgrep -f "$TIUP_HOME/data/\$1/") \$(cat "$scratch/\$1.pid"); do kill -9 "\$pid" 2>/dev/null; done
true
S
	chmod +x "$scratch/start" "$scratch/kill"
	"$scratch/start" primary "$offset"
	"$scratch/start" secondary "$((offset + 1000))"
	for name in primary secondary; do
		wait_for 60 test -e "$TIUP_HOME/data/$name/dsn" || { cat "$scratch/$name.log"; bad "$name did not start"; exit 1; }
	done
	at_lua=$(cat <<'L'
local function at(offset)
  return { sql = { host = "127.0.0.1", port = 4000 + offset, password = env "DB_PASSWORD" }, pd = "http://127.0.0.1:" .. 2379 + offset,
           status = "http://127.0.0.1:" .. 10080 + offset, ticdc = "http://127.0.0.1:" .. 8300 + offset }
end
L
	)
}

# The clusters file of an attached pair that stays: neither may be killed or overwritten.
staying_pair_file() {
	cat >"$scratch/clusters.lua" <<L
$at_lua
local primary, secondary = at($offset), at($((offset + 1000)))
primary.allow = { "backup", "gc", "changefeed", "write" }
secondary.allow = { "restore", "write" }
return { primary = primary, secondary = secondary, store = "file://$scratch/store" }
L
}

# An attached pair with a changefeed "live" that runs already, and its clusters file: the primary may be killed, by the file's own command.
live_pair() {
	attached_pair
	cat >"$scratch/clusters.lua" <<L
$at_lua
local primary, secondary = at($offset), at($((offset + 1000)))
primary.expendable = true
primary.commands = { kill = { "$scratch/kill", "primary" } }
secondary.allow = { "restore", "write" }
return { primary = primary, secondary = secondary, store = "file://$scratch/store", redo = "file://$scratch/redo", changefeed = "live" }
L
	cat >"$scratch/setup.lua" <<L
local scenario = require "drtest.scenario"
return scenario { name = "setup", run = function(t)
  t:step("set up", function()
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    primary:sql "CREATE DATABASE shop"
    primary:sql "CREATE TABLE shop.t (id INT PRIMARY KEY)"
    primary:sql "INSERT INTO shop.t VALUES (1)"
    local backup = primary:backup(t:store { buckets = { "backup" } }:url "backup/first")
    secondary:restore(backup)
    primary:changefeed { id = "live", sink = secondary, start_ts = backup.ts, redo = "file://$scratch/redo" }
    t:check("it runs", true)
  end)
end }
L
	LIMIT=90 expect "a pair is set up" 0 'PASS' "$DRTEST" run "$scratch/setup.lua" --on attach --clusters "$scratch/clusters.lua" --out "$out" --keep
}
