#!/bin/bash
# Backup and restore of 10 x 100,000 sysbench rows: drtest against mydumper -c and myloader, 4 threads each, in turn, on two real
# MariaDB servers that flush at each commit. Needs MariaDB, sysbench, mydumper. Usage: tests/bench/backup.sh build/drtest [rounds]
set -eu
drtest=$1 rounds=${2:-3}
for tool in mariadbd mariadb-install-db mariadb sysbench mydumper myloader; do
	command -v $tool >/dev/null || { echo "bench-backup: $tool is missing: apt-get install mariadb-server-core mariadb-client sysbench mydumper"; exit 3; }
done
server_options=(--binlog-row-image=FULL --binlog-row-metadata=FULL --innodb-flush-log-at-trx-commit=1)
# shellcheck source=tests/bench/servers.sh
. "$(dirname "$0")/servers.sh"
now() { date +%s%N; }
timed() { # COMMAND...: seconds in $seconds, resident KiB in $rss
	local t
	t=$(now)
	python3 -c 'import resource, subprocess, sys
rc = subprocess.call(sys.argv[2:], stdout=open(sys.argv[1] + "/out", "w"), stderr=subprocess.STDOUT)
open(sys.argv[1] + "/rss", "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(rc)' "$dir" "$@" || { cat "$dir/out"; exit 1; }
	seconds=$(awk "BEGIN { print ($(now) - $t) / 1e9 }")
	rss=$(cat "$dir/rss")
}
fresh() { B -e 'DROP DATABASE IF EXISTS sbtest'; rm -rf "$dir/out.d" "$dir/out.f"; sync; }
ours=() theirs=() worst=0
for round in $(seq "$rounds"); do
	fresh
	timed mydumper -h 127.0.0.1 -P "$a" -u root -B sbtest -c -t 4 -o "$dir/out.d"; md=$seconds
	timed myloader -h 127.0.0.1 -P "$b" -u root -d "$dir/out.d" -t 4; ml=$seconds
	fresh
	timed "$drtest" backup --source-uri "mysql://root@127.0.0.1:$a" --storage "file://$dir/out.f" --workers 4; db=$seconds r1=$rss
	timed "$drtest" restore --target-uri "mysql://root@127.0.0.1:$b" --storage "file://$dir/out.f" --workers 4; dr=$seconds r2=$rss
	timed "$drtest" diff --a "mysql://root@127.0.0.1:$a" --b "mysql://root@127.0.0.1:$b"; df=$seconds
	echo "round $round  mydumper $md s + myloader $ml s   drtest backup $db s ($r1 KiB) + restore $dr s ($r2 KiB)   diff $df s: $(tail -1 "$dir/out")"
	theirs+=("$(awk "BEGIN { print $md + $ml }")") ours+=("$(awk "BEGIN { print $db + $dr }")")
	for r in $r1 $r2; do [ "$r" -le $worst ] || worst=$r; done
done
median() { printf '%s\n' "$@" | sort -g | sed -n "$((($# + 1) / 2))p"; }
m=$(median "${theirs[@]}") d=$(median "${ours[@]}")
awk -v m="$m" -v d="$d" -v rss="$worst" 'BEGIN {
	ok = d <= m / 2 && rss < 64 * 1024
	printf "bench-backup  drtest %.2f s, mydumper and myloader %.2f s: %.2f of their time (goal: at most 0.50); resident at most %.1f MiB (goal: under 64)  %s\n",
		d, m, d / m, rss / 1024, ok ? "PASS" : "FAIL"
	exit !ok
}'
