#!/bin/bash
# Redo replay against its peers, in turn, on the same data and the same kind of server (one MariaDB, flushed at each commit):
#   mariadb-binlog FILE | mariadb, and MariaDB's own parallel replica (8 threads, optimistic), of the same history.
# The stock `cdc redo apply` is 2.3 times that pipe (measured where it runs; it cannot run here), so its ratio is carried over.
# Logs: a real one of TiCDC (perf.tar.zst of its fixtures, if it is there), and two of 150,000 transactions made by our writer: hot
# (3 x 10,000 rows) and uniform (10 x 100,000 rows). The pipe and the replica do $HISTORY transactions of the same kind on the same rows:
# oltp_write_only itself, by ten connections, as a server's binary log has them.
# Usage: tests/bench/redo.sh build/drtest build/tests/bench/redo_tool
set -eu
drtest=$1 tool=$2
HISTORY=${HISTORY:-15000} TXNS=${TXNS:-150000} GIB4=${GIB4:-1} PERF=${PERF:-../shared/fixtures/redo/perf.tar.zst}
for t in mariadbd mariadb-install-db mariadb mariadb-binlog python3 taskset; do
	command -v $t >/dev/null || { echo "bench-redo: $t is missing: apt-get install mariadb-server-core mariadb-client util-linux"; exit 3; }
done
dir=$(mktemp -d /var/tmp/drtest-bench.XXXXXX)
pid=
end() {
	stop 9
	rm -rf "$dir"
}
stop() { # [SIGNAL]
	[ -z "$pid" ] || { kill "-${1:-15}" "$pid" 2>/dev/null || :; wait "$pid" 2>/dev/null || :; pid=; }
}
trap end EXIT
trap 'exit 130' INT TERM
chmod 755 "$dir"
as=() who=$(id -un)
if [ "$(id -u)" = 0 ]; then who=nobody; as=(--user=nobody); fi
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
sink=mysql://root@127.0.0.1:$port/
Q() { mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -N "$@"; }
start() { # DATADIR OPTIONS...
	local data=$1
	shift
	mkdir -p "$dir/tmp"; chown "$who" "$dir/tmp"
	mariadbd --no-defaults "${as[@]}" --datadir="$data" --tmpdir="$dir/tmp" --port="$port" --bind-address=127.0.0.1 --socket="$data/s" \
		--innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=1G --innodb-log-file-size=512M --performance-schema=OFF --server-id=1 \
		--gtid-domain-id=0 "$@" >>"$dir/server.log" 2>&1 &
	pid=$!
	for _ in $(seq 300); do
		Q -e 'SELECT 1' >/dev/null 2>&1 && return
		sleep 0.1
	done
	tail "$dir/server.log"; exit 3
}
copy() { # FROM TO: a server's directory
	stop
	rm -rf "$2"; cp -a --reflink=auto "$1" "$2"; sync
}
now() { date +%s%N; }
since() { awk "BEGIN { printf \"%.3f\", ($(now) - $1) / 1e9 }"; }
binlog=(--log-bin=bin --binlog-format=ROW --sync-binlog=0)
template() { # NAME INITIAL.SQL DATABASE TABLES ROWS DISTRIBUTION: a server with the initial rows, and the binary log of a history on them
	mkdir -p "$dir/tmp" "$dir/$1"; chown "$who" "$dir/tmp" "$dir/$1"
	mariadb-install-db --no-defaults "${as[@]}" --datadir="$dir/$1" --tmpdir="$dir/tmp" --auth-root-authentication-method=normal --skip-test-db \
		>"$dir/install" 2>&1 || { cat "$dir/install"; exit 3; }
	start "$dir/$1"
	Q <"$2"
	copy "$dir/$1" "$dir/$1-source"
	start "$dir/$1-source" "${binlog[@]}" --innodb-flush-log-at-trx-commit=0
	"$drtest" load oltp_write_only run --mysql-host=127.0.0.1 --mysql-port="$port" --mysql-user=root --mysql-db="$3" --tables="$4" --table-size="$5" \
		--rand-type="$6" --threads=10 --events="$HISTORY" >"$dir/history" || { cat "$dir/history"; exit 3; }
	stop
	mkdir "$dir/$1-binlog"; cp "$dir/$1-source"/bin.[0-9]* "$dir/$1-binlog/"; chmod 644 "$dir/$1-binlog"/*
}
fresh() { copy "$dir/$1" "$dir/run"; start "$dir/run"; } # TEMPLATE
pipe() { # TEMPLATE: transactions/s in $rate
	local t s
	fresh "$1"
	t=$(now)
	mariadb-binlog --no-defaults "$dir/$1-binlog"/bin.[0-9]* | Q
	s=$(since "$t")
	rate=$(awk "BEGIN { printf \"%.0f\", $HISTORY / $s }")
}
replica() { # TEMPLATE: the history through the relay log of a parallel replica
	local t s sp want
	copy "$dir/$1-source" "$dir/primary"
	sp=$(free_port)
	mariadbd --no-defaults "${as[@]}" --datadir="$dir/primary" --tmpdir="$dir/tmp" --port="$sp" --bind-address=127.0.0.1 --socket="$dir/primary/s" \
		"${binlog[@]}" --server-id=2 --gtid-domain-id=0 --innodb-buffer-pool-size=128M >>"$dir/server.log" 2>&1 &
	local primary=$!
	for _ in $(seq 300); do mariadb --no-defaults -h127.0.0.1 -P"$sp" -uroot -e 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.1; done
	want=$(mariadb --no-defaults -h127.0.0.1 -P"$sp" -uroot -N -e 'SELECT @@gtid_binlog_pos')
	mariadb --no-defaults -h127.0.0.1 -P"$sp" -uroot -e "CREATE USER IF NOT EXISTS r@'127.0.0.1' IDENTIFIED BY 'r'; GRANT REPLICATION SLAVE ON *.* TO r@'127.0.0.1'"
	copy "$dir/$1" "$dir/run"
	start "$dir/run" --server-id=3 --slave-parallel-threads=8 --slave-parallel-mode=optimistic
	Q -e "CHANGE MASTER TO master_host='127.0.0.1', master_port=$sp, master_user='r', master_password='r', master_use_gtid=slave_pos; START SLAVE IO_THREAD"
	sleep 5 # what comes over the wire is not measured: the relay log is there before the clock starts
	t=$(now)
	Q -e "START SLAVE SQL_THREAD; SELECT MASTER_GTID_WAIT('$want', 300)" >"$dir/wait"
	s=$(since "$t")
	grep -qx 0 "$dir/wait" || { echo "the replica did not arrive: $(Q -e 'SHOW SLAVE STATUS' | head -c 2000)"; exit 3; }
	rate=$(awk "BEGIN { printf \"%.0f\", $HISTORY / $s }")
	Q -e 'STOP SLAVE'
	kill $primary; wait $primary 2>/dev/null || :
}
replay() { # TEMPLATE LOG OPTIONS...: transactions/s in $rate, resident KiB in $rss
	local name=$1 log=$2 t s
	shift 2
	fresh "$name"
	measured "$drtest" redo apply --storage "file://$log" --sink-uri "$sink" --tmp-dir "$dir/spill" --time-zone +00:00 --json "$@"
	rate=$(python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); print("%.0f" % (j["transactions"] * 1e6 / j["total_us"]))' "$dir/out")
}
measured() { # COMMAND...: its output in $dir/out, resident KiB in $rss, seconds of CPU in $cpu
	python3 -c 'import resource, subprocess, sys
rc = subprocess.call(sys.argv[2:], stdout=open(sys.argv[1] + "/out", "w"), stderr=open(sys.argv[1] + "/err", "w"))
u = resource.getrusage(resource.RUSAGE_CHILDREN)
open(sys.argv[1] + "/rss", "w").write(str(u.ru_maxrss))
open(sys.argv[1] + "/cpu", "w").write("%.3f" % (u.ru_utime + u.ru_stime))
sys.exit(rc)' "$dir" "$@" || { cat "$dir/err" "$dir/out"; exit 1; }
	rss=$(cat "$dir/rss") cpu=$(cat "$dir/cpu")
}
failed=0
line() { # WHAT OURS UNIT PEER PEER_RATE GOAL(ratio)
	awk -v w="$1" -v o="$2" -v u="$3" -v p="$4" -v r="$5" -v g="$6" 'BEGIN {
		ok = o >= r * g
		printf "%-38s %9.0f %-14s %-34s %7.0f   %6.1f x (goal %s x)  %s\n", w, o, u, p, r, o / r, g, ok ? "PASS" : "below"
		exit !ok
	}' || failed=1
}
echo "bench-redo: $(nproc) cores, MariaDB $(mariadbd --version | sed 's/.*Ver \([^ ]*\).*/\1/'), innodb_flush_log_at_trx_commit=1, $HISTORY transactions through the peers"
absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }
PERF=$(absolute "$PERF")
"$tool" generate "$dir/hot.d" 3 10000 "$TXNS"
"$tool" generate "$dir/uni.d" 10 100000 "$TXNS"
template hot "$dir/hot.d/initial.sql" redo_bench 3 10000 special
template uni "$dir/uni.d/initial.sql" redo_bench 10 100000 uniform
if [ -f "$PERF" ]; then
	mkdir "$dir/perf.d"; zstd -dc --long=28 "$PERF" | tar -C "$dir/perf.d" -x
	template perf "$dir/perf.d/initial.sql" redo_perf 3 10000 special
fi
logs="hot uni"; [ ! -d "$dir/perf.d" ] || logs="perf hot uni"
for l in $logs; do
	goal=45; [ $l != uni ] || goal=12
	what="hot, 150,000 of ours"; [ $l != uni ] || what="uniform"; [ $l != perf ] || what="hot, real log of TiCDC"
	pipe $l; p=$rate
	replay $l "$dir/$l.d/log"; m=$rate
	replay $l "$dir/$l.d/log" --mode txn; x=$rate; cp "$dir/out" "$dir/txn-$l"
	replica $l; r=$rate
	line "merge, $what" "$m" "txn/s" "mariadb-binlog | mariadb" "$p" $goal
	line "txn, $what" "$x" "txn/s" "mariadb-binlog | mariadb" "$p" 5
	line "txn, $what" "$x" "txn/s" "parallel replica, 8, optimistic" "$r" 1
done
stop
# decoding and merging alone, per second of CPU of one core, against reading the same bytes
big=$dir/hot.d/log; [ ! -d "$dir/perf.d" ] || big=$dir/perf.d/log
cat "$big"/*.log >/dev/null
bytes=$(cat "$big"/*.log | wc -c)
measured taskset -c 0 sh -c 'cat "$@" >/dev/null' sh "$big"/*.log; c=$cpu
measured taskset -c 0 "$drtest" redo apply --storage "file://$big" --dry-run --json
awk -v b="$bytes" -v s="$cpu" -v c="$c" 'BEGIN { d = b / s / 1e6; r = b / (c > 0 ? c : 0.001) / 1e6; ok = d >= 400
	printf "%-38s %9.0f %-14s %-34s %7.0f   %6.2f x (goal 400 MB/s)  %s\n", "decode and merge, one core", d, "MB/s of CPU", "cat of the same bytes", r, d / r, ok ? "PASS" : "below"
	exit !ok }' || failed=1
# resident memory
rm -rf "$dir/run" "$dir"/*-source "$dir/primary"
base=hot; [ ! -d "$dir/perf.d" ] || base=perf
for copies in 1 4 20; do
	[ $copies != 20 ] || [ "$GIB4" = 1 ] || continue
	rm -rf "$dir/repeat"; "$tool" repeat "$dir/$base.d/log" "$dir/repeat" $copies
	size=$(du -sm "$dir/repeat" | cut -f1)
	for mode in merge txn; do
		replay $base "$dir/repeat" --memory 256MiB --mode $mode
		awk -v w="resident memory, $mode, $size MiB log" -v k="$rss" -v s="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["spilled_bytes"] >> 20)' "$dir/out")" -v r="$rate" 'BEGIN {
			m = k / 1024; ok = m < 400
			printf "%-38s %9.0f %-14s %-34s %7s   (goal under 400 MiB; %.0f txn/s)  %s\n", w, m, "MiB", "spilled to --tmp-dir, MiB:", s, r, ok ? "PASS" : "above"
			exit !ok }' || failed=1
	done
done
stop
[ $failed = 0 ] && echo "bench-redo: every goal reached" || echo "bench-redo: not every goal reached"
exit $failed
