#!/bin/bash
# Compare of two equal servers, 10 x 100,000 sysbench rows: `drtest diff` against sync_diff_inspector's own checksum query on both servers
# at once, and against `mariadb-dump --order-by-primary` of both at once through cmp, in turn; then 10 differing rows of a million found
# and named; resident memory; and the ledger and model checks of a million transactions. Usage:
# tests/bench/verify.sh build/drtest build/tests/bench/verify_checks [rounds]
set -eu
drtest=$1 checker=$2 rounds=${3:-3}
for tool in mariadbd mariadb-install-db mariadb mariadb-dump sysbench python3; do
	command -v $tool >/dev/null || { echo "bench-verify: $tool is missing: apt-get install mariadb-server-core mariadb-client sysbench"; exit 3; }
done
server_options=(--local-infile=ON --innodb-flush-log-at-trx-commit=2)
# shellcheck source=tests/bench/servers.sh
. "$(dirname "$0")/servers.sh"
"$drtest" backup --source-uri "mysql://root@127.0.0.1:$a" --storage "file://$dir/out.f" >/dev/null
"$drtest" restore --target-uri "mysql://root@127.0.0.1:$b" --storage "file://$dir/out.f" >/dev/null
# chunks of 50,000 rows, 4 connections to each server
peer_sql() { python3 "$(dirname "$0")/peer_query.py" "$@"; }
for w in 0 1 2 3; do
	for i in $(seq 0 19); do
		if [ $((i % 4)) = "$w" ]; then peer_sql $((i / 2 + 1)) $((i % 2 * 50000)) $((i % 2 * 50000 + 50000)); fi
	done >"$dir/peer$w.sql"
done
now() { date +%s%N; }
since() { awk "BEGIN { print ($(now) - $1) / 1e9 }"; }
peer() {
	local t jobs=()
	t=$(now)
	for w in 0 1 2 3; do
		A -N <"$dir/peer$w.sql" >"$dir/peer-a$w" & jobs+=($!)
		B -N <"$dir/peer$w.sql" >"$dir/peer-b$w" & jobs+=($!)
	done
	wait "${jobs[@]}"
	for w in 0 1 2 3; do cmp "$dir/peer-a$w" "$dir/peer-b$w"; done
	seconds=$(since "$t")
}
dump() {
	local t
	t=$(now)
	cmp <(mariadb-dump --no-defaults -h127.0.0.1 -P"$a" -uroot --order-by-primary --skip-comments sbtest) \
		<(mariadb-dump --no-defaults -h127.0.0.1 -P"$b" -uroot --order-by-primary --skip-comments sbtest)
	seconds=$(since "$t")
}
ours() { # expected exit code
	local t
	t=$(now)
	python3 -c 'import resource, subprocess, sys
rc = subprocess.call(sys.argv[2:], stdout=open(sys.argv[1] + "/out", "w"), stderr=subprocess.STDOUT)
open(sys.argv[1] + "/rss", "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(rc)' "$dir" "$drtest" diff --a "mysql://root@127.0.0.1:$a" --b "mysql://root@127.0.0.1:$b" && rc=0 || rc=$?
	seconds=$(since "$t")
	[ "$rc" = "$1" ] || { cat "$dir/out"; exit 1; }
	r=$(cat "$dir/rss"); [ "$r" -le "$rss" ] || rss=$r
}
rss=0
peer; dump; ours 0 # warm
ps=() ds=() os=()
for round in $(seq "$rounds"); do
	peer; ps+=("$seconds"); p=$seconds
	dump; ds+=("$seconds"); d=$seconds
	ours 0; os+=("$seconds")
	echo "round $round  checksum query $p s   dump and cmp $d s   drtest diff $seconds s"
done
B -e "$(for i in 1 2 3 4 5 6 7 8 9 10; do echo "UPDATE sbtest.sbtest$i SET c=CONCAT('x', SUBSTR(c, 2)) WHERE id=$((i * 9973));"; done)"
fs=()
for round in $(seq "$rounds"); do ours 1; fs+=("$seconds"); done
named=$(grep -c '"different"' "$dir/out" || :)
streamed=$("$checker" stream 50000000); echo "$streamed"
median() { printf '%s\n' "$@" | sort -g | sed -n "$((($# + 1) / 2))p"; }
checks=$("$checker" "$a" 1000000) || { echo "$checks"; exit 1; }
echo "$checks"
awk -v p="$(median "${ps[@]}")" -v d="$(median "${ds[@]}")" -v o="$(median "${os[@]}")" -v f="$(median "${fs[@]}")" -v n="$named" -v rss="$rss" \
	-v k="$(echo "$streamed" | sed -n 's/VmHWM:[^0-9]*\([0-9]*\).*/\1/p')" -v c="$(echo "$checks" | sed -n 's/.*together \([0-9.]*\) s.*/\1/p')" 'function say(what, got, goal, ok) {
	printf "bench-verify  %-58s %10s  goal %-12s %s\n", what, got, goal, ok ? "PASS" : "FAIL"; bad += !ok }
BEGIN {
	say("equal clusters, against the checksum query (" p " s, ours " o " s)", sprintf("%.2f x", p / o), "3 x", p / o >= 3)
	say("equal clusters, against dump and cmp (" d " s)", sprintf("%.2f x", d / o), "2.5 x", d / o >= 2.5)
	say("10 differing rows of a million found and named (" f " s)", sprintf("%.2f x", f / o), "at most 1.3 x", f / o <= 1.3 && n == 10)
	say("resident memory", sprintf("%.1f MiB", rss / 1024), "64 MiB", rss < 65536)
	say("ledger check of 50 million, resident", sprintf("%.1f MiB", k / 1024), "1024 MiB", k > 0 && k < 1048576)
	say("ledger and model check of a million transactions", c " s", "10 s", c > 0 && c < 10)
	exit bad > 0
}'
