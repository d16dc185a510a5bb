#!/bin/bash
# An environment that is not as a drill needs it: one clear line, exit code 3, and nothing left behind. (Disk full: needs root for a small tmpfs.)
. "$(dirname "$0")/lib.sh"
out=$scratch/runs
n=tests/scenarios/negative
run() { "$DRTEST" run "$@" --out "$out"; }
export -f run
export DRTEST out

expect "wrong credentials" 3 'secret-access-key does not belong' bash -c "run $n/wrong_credentials.lua"
grep -q 'not-the-one' "$scratch/out" && bad "the wrong password is shown" || ok
expect "a bucket that is not there" 3 "bucket 'nowhere' does not exist" bash -c "run $n/no_bucket.lua"
expect "a bucket that was not asked for" 2 "the store has no bucket 'redo'" bash -c "run $n/unknown_bucket.lua"
expect "a secondary that has the tables" 3 'the target already has sbtest\.' bash -c "run $n/has_tables.lua"
expect "an unknown start_ts" 3 'start_ts 1000 is unknown' bash -c "run $n/unknown_start_ts.lua"
nothing_left "refused"

# a port that is taken: another one, and a word about it
python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)' >"$scratch/port" &
squatter=$!
wait_for 10 test -s "$scratch/port"
expect "an occupied port" 0 "note: port $(cat "$scratch/port") is in use: the store listens on" bash -c \
	"run scenarios/failover.lua --set tables=2 --set table_size=200 --set load_tables=2 --set soak=1s --set store_port=$(cat "$scratch/port")"
kill $squatter
nothing_left "an occupied port"

expect "no MinIO" 3 'DRTEST_MINIO' env DRTEST_MINIO=/nowhere/minio "$DRTEST" run scenarios/failover.lua --out "$out"
grep -q 'fix:' "$scratch/out" && ok || bad "no fix in $(cat "$scratch/out")"
expect "doctor without MinIO" 3 '1 missing' env DRTEST_MINIO=/nowhere/minio "$DRTEST" doctor
mkdir "$scratch/bin"
expect "no MariaDB" 3 'mariadb-install-db is not installed' env PATH="$scratch/bin" HOME="$HOME" "$DRTEST" run scenarios/failover.lua --out "$out"
expect "a program that is no MinIO" 3 'MinIO failed to start' env DRTEST_MINIO=/bin/false "$DRTEST" run $n/store_died.lua --out "$out"

# a home that is none: told before anything is started
: >"$scratch/home"
expect "HOME is a file" 3 "cannot start: .*stands? in the way" env -u XDG_CACHE_HOME -u DRTEST_UNDO HOME="$scratch/home" "$DRTEST" run $n/waits.lua --out "$out"
grep -q "$scratch/home.*Not a directory" "$scratch/out" && grep -q 'XDG_CACHE_HOME' "$scratch/out" && ok || bad "HOME is a file: $(cat "$scratch/out")"
[ -z "$(find "$out" -name '*-waits-*' -print -quit 2>/dev/null)" ] && ok || bad "HOME is a file: a run has begun"

# a server that refuses to start: its log's last lines are quoted
server=$(command -v mariadbd)
printf '#!/bin/sh\nexec %s "$@" --no-such-option=1\n' "$server" >"$scratch/bin/mariadbd"
chmod 755 "$scratch/bin/mariadbd" "$scratch"
expect "MariaDB refuses to start" 3 "mariadbd ended.*unknown variable 'no-such-option=1'" env PATH="$scratch/bin:$PATH" "$DRTEST" run $n/waits.lua --out "$out"

# MinIO dies in mid-run
rm -f "$scratch/log"
"$DRTEST" run $n/store_died.lua --out "$out" >"$scratch/log" 2>&1 &
pid=$!
wait_for 20 grep -q '^  1 set up .* ok' "$scratch/log"
run=$(find "$out" -maxdepth 1 -name '*-store_died-*' -newer "$scratch/bin/mariadbd" | sort | tail -n 1)
pkill -KILL -f "minio server /var/tmp/drtest-$(basename "$run")/"
wait $pid
[ $? = 4 ] && grep -q 'the store died: MinIO ended with SIGKILL' "$scratch/log" && ok || bad "MinIO dies: $(cat "$scratch/log")"

# a server dies by itself in mid-run
rm -f "$scratch/log"
"$DRTEST" run $n/waits.lua --out "$out" >"$scratch/log" 2>&1 &
pid=$!
wait_for 20 grep -q '^  1 set up .* ok' "$scratch/log"
run=$(find "$out" -maxdepth 1 -name '*-waits-*' | sort | tail -n 1)
pkill -KILL -f "mariadbd.*/var/tmp/drtest-$(basename "$run")/"
wait $pid
[ $? = 4 ] && grep -Eq 'primary.*SIGKILL' "$scratch/log" && ok || bad "a server dies: $(cat "$scratch/log")"
nothing_left "died"

# the disk of the run folder fills
mkdir "$scratch/small"
if mount -t tmpfs -o size=66m none "$scratch/small" 2>/dev/null; then
	rm -f "$scratch/log"
	"$DRTEST" run $n/waits.lua --out "$scratch/small" >"$scratch/log" 2>&1 &
	pid=$!
	wait_for 20 grep -q '^  1 set up .* ok' "$scratch/log"
	head -c 60M /dev/zero >"$scratch/small/filler" # nearly: the journal and the reports still find room
	wait_for 20 bash -c "! kill -0 $pid 2>/dev/null"
	kill -0 $pid 2>/dev/null && { bad "a full disk is not noticed"; kill -INT $pid; }
	wait $pid
	[ $? = 3 ] && grep -q 'No space left' "$scratch/log" && ok || bad "a full disk: $(cat "$scratch/log")"
	[ -n "$(find "$scratch/small" -name report.html -size +0)" ] && ok || bad "a full disk leaves no report"
	umount "$scratch/small"
	mount -t tmpfs -o size=1m none "$scratch/small"
	expect "too little room from the start" 3 'less than 64 MiB are free' "$DRTEST" run $n/waits.lua --out "$scratch/small"
	umount "$scratch/small"
else
	skipped=1
	echo "SKIPPED a full disk: mounting a tmpfs needs root"
fi
