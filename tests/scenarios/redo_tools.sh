#!/bin/bash
# drtest redo check, cat, watch and apply --dry-run, by hand: what they print, and how they exit.
. "$(dirname "$0")/lib.sh"
fixtures=$PWD/tests/fixtures/redo
log() { # NAME: a copy of a fixture's log that may be damaged
	rm -rf "$scratch/log"
	cp -r "$fixtures/$1/log" "$scratch/log"
	chmod -R u+w "$scratch/log"
}
uri=file://$scratch/log
redo() { "$DRTEST" redo "$@"; }

log keyswap
expect "a sound log" 0 '^sound' "$DRTEST" redo check --storage "$uri"
expect "a sound log, for machines" 0 '"verdict": "sound"' "$DRTEST" redo check --storage "$uri" --json
log sysbench
rm "$(find "$scratch/log" -name '*_row_*' | sort | sed -n 8p)"
expect "a missing file is a broken chain" 1 'BROKEN.*table redo_sb\.[a-z0-9_]+, key \(.*commitTs' "$DRTEST" redo check --storage "$uri"
expect "and no replay begins" 3 'chain is broken' "$DRTEST" redo apply --storage "$uri" --sink-uri mysql://root@127.0.0.1:1/
expect "unless it is told to go on" 0 'would bring' "$DRTEST" redo apply --storage "$uri" --dry-run --allow-gap

log keyswap
file=$(find "$scratch/log" -name '*_row_*' | sort | sed -n 2p)
mv "$file" "$(echo "$file" | sed 's/_row_\([0-9]*\)_/_row_9\1_/')"
expect "a name that lies" 1 'BROKEN.*not the one in its name' "$DRTEST" redo check --storage "$uri"
expect "and no replay begins either" 3 'not the one in its name' "$DRTEST" redo apply --storage "$uri" --sink-uri mysql://root@127.0.0.1:1/
expect "unless it is told to go on, and it says so" 0 'left out: .*not the one in its name' "$DRTEST" redo apply --storage "$uri" --dry-run --allow-gap

log keyswap
for f in "$scratch"/log/*_row_*; do cp "$f" "${f/redo-swap/redo-other}"; break; done
expect "two changefeeds under one prefix" 1 'BROKEN.*two|BROKEN.*2 changefeeds' "$DRTEST" redo check --storage "$uri"
expect "of which one has no meta" 1 'BROKEN.*have no meta' "$DRTEST" redo check --storage "$uri"

log keyswap
printf D >"$scratch/log/delete_redo-swap"
expect "a log whose changefeed was removed" 1 'BROKEN.*redo-swap was removed .*delete_redo-swap' "$DRTEST" redo check --storage "$uri"
expect "no replay of it begins" 3 'was removed' "$DRTEST" redo apply --storage "$uri" --sink-uri mysql://root@127.0.0.1:1/
expect "and watch says so" 3 'was removed' "$DRTEST" redo watch --once --storage "$uri"
mv "$scratch/log/delete_redo-swap" "$scratch/log/delete_other"
expect "the mark of another is nothing to it" 0 '^sound' "$DRTEST" redo check --storage "$uri"

log keyswap
file=$(find "$scratch/log" -name '*_row_*' | sort | sed -n 2p)
echo 'drtest-sum 1 1 0000000000000000' >"$file.sum"
rm "$file"
expect "a file whose sidecar alone is there" 1 'BROKEN.*is missing: its sidecar' "$DRTEST" redo check --storage "$uri"
expect "is no log to replay" 3 'is missing' "$DRTEST" redo apply --storage "$uri" --sink-uri mysql://root@127.0.0.1:1/
expect "nor to count on" 3 'is missing' "$DRTEST" redo watch --once --storage "$uri"

log keyswap
rm "$scratch"/log/*.meta
expect "no meta at all" 1 'BROKEN.*no meta' "$DRTEST" redo check --storage "$uri"
expect "cat needs none" 0 '"t_uk"|redo_swap.t_uk' "$DRTEST" redo cat --storage "$uri"

log small
expect "cat by table" 0 '"type":"delete"' "$DRTEST" redo cat --storage "$uri" --table redo_small.t_types
expect "cat by key" 0 '"type":"update".*"id":1,' "$DRTEST" redo cat --storage "$uri" --key id=1
redo cat --storage "$uri" --start-ts '2025-11-20 12:00:02' --end-ts '2025-11-20T12:00:03.5Z' >"$scratch/out"
[ "$(wc -l <"$scratch/out")" = 2 ] && grep -q '"type":"ddl"' "$scratch/out" && ok || bad "cat between two times: $(cut -c1-200 "$scratch/out")"
expect "a time that is none" 2 'is not a TSO' "$DRTEST" redo cat --storage "$uri" --start-ts yesterday
expect "dry run: tables, DDLs, span" 0 'redo_small.t_types +4 inserts, 1 updates, 1 deletes' "$DRTEST" redo apply --storage "$uri" --dry-run
expect "dry run says that a zone is needed" 0 'TIMESTAMP.*--time-zone' "$DRTEST" redo apply --storage "$uri" --dry-run
expect "txn mode too" 0 'changes from 2025-11-20 12:00:01.000 UTC to 2025-11-20 12:00:04.000 UTC' "$DRTEST" redo apply --storage "$uri" --dry-run --mode txn
expect "--until later than the log" 2 'until' "$DRTEST" redo apply --storage "$uri" --dry-run --until '2025-11-20 13:00:00'
expect "--force without txn" 2 'txn' "$DRTEST" redo apply --storage "$uri" --dry-run --force
expect "the flags of cdc redo apply" 0 'would bring' "$DRTEST" redo apply --storage "$uri" --dry-run --tmp-dir "$scratch/tmp" --log-level info \
	--enable-profiling=false --memory-limit 10
expect "watch" 0 'if the primary died now' "$DRTEST" redo watch --once --storage "$uri"
expect "watch, for machines" 0 '"point":"462327645470720000".*"loss_ms":[0-9]+' "$DRTEST" redo watch --once --json --storage "$uri"
expect "watch, for Prometheus" 0 '^drtest_redo_loss_seconds [0-9.]+$' "$DRTEST" redo watch --once --prometheus --storage "$uri"
expect "an old log is more than 10 s behind" 1 'WARNING' "$DRTEST" redo watch --once --warn-rpo 10s --storage "$uri"
expect "which no flush interval explains" 0 '^WARNING: the flush interval explains only 5\.2 s of that' "$DRTEST" redo watch --once --storage "$uri"
expect "the changefeed's own interval counts" 0 '^WARNING: the flush interval explains only 13\.2 s of that' "$DRTEST" redo watch --once --flush-interval 10s --storage "$uri"
expect "for machines it is a field" 0 '"promised_ms":5200,"beyond_promise":true' "$DRTEST" redo watch --once --json --storage "$uri"
expect "an interval that is none" 2 'is not a time' "$DRTEST" redo watch --once --flush-interval soon --storage "$uri"
point() { # old|now: the log's meta stands where it began, then or now
	python3 - "$1" "$scratch"/log/*.meta <<-'EOF'
		import sys, time
		b = bytearray(open(sys.argv[2], 'rb').read())
		i, j = b.find(b'checkpointTs') + 12, b.find(b'resolvedTs') + 10
		assert b[i] == b[j] == 0xcf, 'both are 64-bit numbers of MessagePack'
		if sys.argv[1] == 'now':
		    b[i + 1:i + 9] = (int(time.time() * 1000) << 18).to_bytes(8, 'big')
		b[j + 1:j + 9] = b[i + 1:i + 9]
		open(sys.argv[2], 'wb').write(b)
	EOF
}
rm "$scratch"/log/*_row_* "$scratch"/log/*_ddl_*
point old
expect "a changefeed that has flushed nothing is told as that" 0 'WARNING.*no row yet.*new changefeed' "$DRTEST" redo watch --once --storage "$uri"
point now
expect "no warning while the interval explains it" 0 '"promised_ms":1803200,"beyond_promise":false' \
	"$DRTEST" redo watch --once --json --flush-interval 30m --storage "$uri"
expect "watch without a log" 3 'meta' "$DRTEST" redo watch --once --storage "file://$scratch/nothing"
mkdir "$scratch/later"
"$DRTEST" redo watch --storage "file://$scratch/later" >"$scratch/watch.out" 2>"$scratch/watch.err" &
watch=$!
wait_for 60 grep -q meta "$scratch/watch.err" && ok || bad "watch says nothing of a log that is not there"
sleep 3
cp "$scratch"/log/* "$scratch/later/"
wait_for 60 grep -q 'if the primary died now' "$scratch/watch.out" && ok || bad "watch does not see the log: $(cat "$scratch/watch.err")"
kill $watch
wait $watch 2>/dev/null
[ "$(wc -l <"$scratch/watch.err")" = 1 ] && ok || bad "an error that lasts is said more than once: $(cat "$scratch/watch.err")"
DRTEST_SINK_PASSWORD=hush expect "a password in the environment is not shown" 3 '127\.0\.0\.1:1' \
	"$DRTEST" redo apply --storage "$uri" --time-zone +00:00 --sink-uri mysql://u@127.0.0.1:1/
grep -q hush "$scratch/out" && bad "the password is shown" || ok
expect "worker-count of the sink URI is checked" 2 'worker-count' \
	"$DRTEST" redo apply --storage "$uri" --sink-uri 'mysql://u@127.0.0.1:1/?worker-count=many'
echo secret-line >"$scratch/password"
expect "a password file" 3 '127\.0\.0\.1:1' "$DRTEST" redo apply --storage "$uri" --time-zone +00:00 --sink-uri mysql://u@127.0.0.1:1/ --sink-password-file "$scratch/password"
