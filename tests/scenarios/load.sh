#!/bin/bash
# drtest load from the shell: sysbench's names and configuration, what it prints, shards against one process, bad input.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
command -v mariadbd >/dev/null || { echo "skipped: no mariadbd"; trap - EXIT; rm -rf "$scratch"; exit 77; }
dir=$(mktemp -d /var/tmp/drtest-test.XXXXXX)
server=
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$dir"; finish' EXIT
chmod 755 "$dir"; mkdir "$dir/tmp"
as=(); if [ "$(id -u)" = 0 ]; then as=(--user=nobody); chown nobody "$dir" "$dir/tmp"; fi
mariadb-install-db --no-defaults "${as[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --auth-root-authentication-method=normal --skip-test-db >/dev/null 2>&1
for _ in 1 2 3; do # a port may be taken between our look and the server's
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	mariadbd --no-defaults "${as[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --port="$port" --bind-address=127.0.0.1 --socket="$dir/s" --log-bin=bin \
		--max-connections=40 --innodb-flush-log-at-trx-commit=0 >"$dir/log" 2>&1 &
	server=$!
	wait_for 20 mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -e 'SELECT 1' >/dev/null 2>&1 && break
done
sql() { mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -N -e "$1"; }
cat >"$scratch/tidb-config" <<END
mysql-host=127.0.0.1 # TiDB's address
mysql-port=$port
mysql-user=root
mysql-password=
db-driver=mysql         # Set database driver to MySQL
mysql-db=test
threads=4
rate=100
time=2
report-interval=1
END
mkdir "$scratch/bin"
printf '#!/bin/sh\nexec "%s" load "$@"\n' "$DRTEST" >"$scratch/bin/load"
chmod +x "$scratch/bin/load"
PATH=$scratch/bin:$PATH
{ cat "$scratch/tidb-config"; printf 'tables=3\ntable-size=500\n'; } >"$scratch/guide-config"
guide=(--config-file="$scratch/guide-config")

# the guide's commands as they stand, with our name for sysbench's
expect prepare 0 'oltp_write_only is prepared' load oltp_write_only "${guide[@]}" prepare
expect 'prepared twice' 3 'already exists' load oltp_write_only "${guide[@]}" prepare
expect "a load's help" 0 'set warehouses=1  warehouses' load tpcc --help
expect "no load's help" 2 'no load "nosuch"' load nosuch --help
expect run 0 '^\[ 1s \] thds: 4 tps: [0-9.]+ qps: [0-9.]+ \(r/w/o: [0-9./]+\) lat \(ms,95%\): [0-9.]+ err/s: [0-9.]+ reconn/s: [0-9.]+$' \
	load oltp_write_only "${guide[@]}" run
grep -q '^\[ 1s \] queue length: [0-9]*, concurrency: [0-9]*$' "$scratch/out" && ok || bad "no queue length"
tps=$(sed -n 's/^    transactions: *[0-9]* *(\([0-9]*\).*/\1/p' "$scratch/out")
[ "$tps" -le 140 ] && ok || bad "100/s were asked for: $tps"
expect 'the command line goes before the file' 0 'total number of events: *50$' load oltp_write_only run --rate=0 --events=50 --time=60 "${guide[@]}"
expect json 0 '"acked": 50,' load oltp_write_only run --rate=0 --events=50 --time=60 --json "${guide[@]}"
expect 'own options under their sysbench names' 0 'write: *20$' \
	load oltp_write_only run "${guide[@]}" --table-size=500 --events=20 --time=60 --index-updates=0 --non_index_updates=1 --delete-inserts=0
expect 'warm-up' 0 'total time: *(0\.9|1\.)' load oltp_write_only run "${guide[@]}" --time=1 --warmup-time=1
for _ in 1 2 3; do # this machine may have better to do in that very second
	timeout "$(patience 60)" load oltp_write_only run "${guide[@]}" --rate=100/1s,250/1s,100 --pace=even --time=3 >"$scratch/out" 2>&1
	grep -q '^\[ 2s \] thds: 4 tps: 2[0-9][0-9]' "$scratch/out" && break
done
grep -q '^\[ 2s \] thds: 4 tps: 2[0-9][0-9]' "$scratch/out" && ok || bad "a rate plan: $(cat "$scratch/out")"
expect 'text' 0 'transactions: *50 ' load oltp_write_only run "${guide[@]}" --rate=0 --events=50 --time=60 --db-ps-mode=disable
expect 'one round trip' 0 'transactions: *50 ' load oltp_write_only run "${guide[@]}" --rate=0 --events=50 --time=60 --roundtrips=one

expect 'ledger' 0 'prepared' load ledger prepare "${guide[@]}" --mysql-db=again
expect 'a first run' 0 'transactions: *30 ' load ledger run "${guide[@]}" --mysql-db=again --rate=0 --events=30 --time=60
expect 'a second run goes on' 0 'transactions: *40 ' load ledger run "${guide[@]}" --mysql-db=again --rate=0 --events=40 --time=60
[ "$(sql 'SELECT COUNT(*) FROM again.drtest_ledger')" = 70 ] && ok || bad "the runs' rows"
small=(--set warehouses=1 --set items=50 --customers=20)
expect 'tpcc' 0 'prepared' load tpcc prepare "${guide[@]}" --mysql-db=again "${small[@]}"
expect 'tpcc once' 0 'transactions: ' load tpcc run "${guide[@]}" --mysql-db=again "${small[@]}" --rate=0 --events=60 --time=60
expect 'tpcc again' 0 'transactions: ' load tpcc run "${guide[@]}" --mysql-db=again "${small[@]}" --rate=0 --events=60 --time=60
expect 'its conditions' 0 '^ok    10 and 12' load tpcc check "${guide[@]}" --mysql-db=again "${small[@]}"
sql 'UPDATE again.district SET d_ytd = d_ytd + 1 WHERE d_id = 2'
expect 'a broken condition' 1 '^FAIL  1: ' load tpcc check "${guide[@]}" --mysql-db=again "${small[@]}"
expect 'cleanup' 0 '' load tpcc cleanup "${guide[@]}" --mysql-db=again "${small[@]}"

# ---- cleanup goes by structure: the ledger with its load's tables, nobody else's table of that name
sql 'CREATE DATABASE IF NOT EXISTS swept; CREATE DATABASE IF NOT EXISTS foreign_db; CREATE TABLE foreign_db.sbtest1 (id INT PRIMARY KEY, mine INT); CREATE TABLE foreign_db.sbtest2 (id INT PRIMARY KEY, k INT, c INT, pad INT)'
expect 'prepare with a ledger' 0 'prepared' load oltp_write_only prepare "${guide[@]}" --mysql-db=swept --tables=2 --table-size=10 --ledger-rows
expect 'cleanup that does not tell of the ledger' 0 '' load oltp_write_only cleanup "${guide[@]}" --mysql-db=swept --tables=2
[ -z "$(sql "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'swept'")" ] && ok || bad "cleanup left $(sql 'SHOW TABLES FROM swept')"
expect "somebody else's sbtest1" 2 'table foreign_db\.sbtest1 does not belong to this load: its columns are id,mine, not id,k,c,pad; nothing was dropped' \
	load oltp_write_only cleanup "${guide[@]}" --mysql-db=foreign_db --tables=2
[ "$(sql "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'foreign_db'")" = 2 ] && ok || bad "cleanup dropped a table that is not its own"

# bad input: one line
expect 'unknown load' 2 '^drtest load: no load "nosuch": there are append, bank' load nosuch run "${guide[@]}"
expect 'unknown option' 2 '^drtest load: unknown option --taples: did you mean --tables' load oltp_write_only run "${guide[@]}" --taples=3
expect 'an option without its value' 2 '^drtest load: --tables needs a value' load oltp_write_only run --tables
expect 'no option at all' 2 '^drtest load: unknown option --list' load --list
# a guide's command line: what means sysbench's default is taken, what does not is refused by name
expect "sysbench's defaults" 0 'transactions: *20 ' load oltp_write_only run "${guide[@]}" --rate=0 --events=20 --time=60 --mysql-ssl=off --mysql-storage-engine=innodb \
	--auto_inc=on --secondary=off --skip_trx=off --create_secondary --range_size=100 --reconnect=0 --validate=off --rand-spec-pct=1 --mysql-ignore-errors=1213,1020,1205
expect "not sysbench's default" 2 "^drtest load: --skip-trx=: load oltp_write_only only supports sysbench's default \(off\)" load oltp_write_only run --skip_trx
expect 'an engine' 2 "^drtest load: --mysql-storage-engine=rocksdb: .*\(innodb\)" load oltp_write_only run --mysql-storage-engine=rocksdb
expect 'wrong value' 2 "^drtest load: --time: 'soon' is not a number" load oltp_write_only run "${guide[@]}" --time=soon
expect 'wrong rate' 2 '^drtest load: .*rate "fast"' load oltp_write_only run "${guide[@]}" --rate=fast
expect 'no configuration' 2 'config-file /nosuch: No such file' load oltp_write_only run --config-file=/nosuch
echo 'no value' >"$scratch/bad"
expect 'bad configuration' 2 'bad:1: "no value" is not name=value' load oltp_write_only run --config-file="$scratch/bad"
expect 'server down' 3 "^drtest load: start load oltp_write_only on 127.0.0.1:1: worker 1: connect: .*127.0.0.1" load oltp_write_only run --mysql-port=1
expect 'table missing' 3 "^drtest load: .*test.sbtest[0-9]' doesn't exist: prepare the load first" \
	load oltp_write_only run "${guide[@]}" --tables=9 --load-tables=9 --rand-seed=1
expect 'no database' 3 "Unknown database 'nosuch'.*prepare the load first" load oltp_write_only run "${guide[@]}" --mysql-db=nosuch
expect 'too many connections' 3 'Too many connections.*max_connections' load oltp_write_only run "${guide[@]}" --threads=60
sql 'CREATE USER poor; GRANT SELECT ON test.* TO poor; CREATE TABLE test.sbtest4 (id INT)'
expect 'no permission' 3 "worker [0-9]+, sequence 1: transaction: .*command denied to user 'poor'" load oltp_write_only run "${guide[@]}" --mysql-user=poor
expect 'table of another shape' 3 "Unknown column.*another load" load oltp_update_index run "${guide[@]}" --tables=4 --events=1000 --time=60
cat >"$scratch/broken.lua" <<'END'
return { name = "broken", statements = {}, event = function(con, r)
  con:begin()
  if r:seq() == 7 then local x = nil; x() end
  con:commit()
end }
END
expect 'an error in event()' 2 '^drtest load: worker 1, sequence 7: broken: .*broken.lua:3: attempt to call' load "$scratch/broken.lua" run "${guide[@]}" --threads=1 --rate=0
grep -q 'transactions: *6 ' "$scratch/out" && ok || bad "the figures up to the error are lost"
expect 'backlog' 3 '[0-9]+ transactions are overdue: the server does not keep up with the rate of 90000/s' \
	load oltp_write_only run "${guide[@]}" --rate=90000 --backlog-max=10000 --time=9

# four shards are one load
expect 'ledger prepare' 0 'prepared' load ledger prepare "${guide[@]}" --mysql-db=four
for i in 1 2 3 4; do
	load ledger run "${guide[@]}" --mysql-db=four --threads=2 --rate=400 --pace=even --events=600 --time=10 --report-interval=0 --ledger-dir="$scratch/l$i" \
		--shard=$i/4 --rendezvous="file://$scratch/meet" >"$scratch/shard$i" 2>&1 &
	shards[i]=$!
done
for i in 1 2 3 4; do wait "${shards[i]}" && ok || bad "shard $i: $(tail -n 3 "$scratch/shard$i")"; done
expect report 0 '^4 shards, 8 workers, load ledger' load report "file://$scratch/meet" --ledger-dir="$scratch/joined"
grep -q 'transactions: *600 ' "$scratch/out" && ok || bad "the shards' transactions: $(grep transactions: "$scratch/out")"
grep -q '600 acknowledged transactions' "$scratch/out" && ok || bad "the joined ledgers: $(tail -n 1 "$scratch/out")"
[ "$(sql 'SELECT COUNT(DISTINCT worker, seq), COUNT(DISTINCT worker) FROM four.drtest_ledger')" = "600	8" ] && ok || bad "rows of the shards"
load report "file://$scratch/meet" --json >"$scratch/four.json"
expect 'ledger prepare' 0 'prepared' load ledger prepare "${guide[@]}" --mysql-db=one
load ledger run "${guide[@]}" --mysql-db=one --threads=8 --rate=400 --pace=even --events=600 --time=10 --report-interval=0 --json >"$scratch/one.json" 2>/dev/null
python3 - "$scratch" <<'END' && ok || bad "four shards differ from one process"
import json, sys
four, one = (json.load(open(sys.argv[1] + '/' + f + '.json')) for f in ('four', 'one'))
for key in 'acked', 'started', 'statements', 'workers', 'failed', 'unknown':
    assert four[key] == one[key], (key, four[key], one[key])
for part in 'latency', 'queued', 'served':
    assert four[part]['count'] == one[part]['count'] == 600
results = [json.load(open('%s/meet/result/%05d.json' % (sys.argv[1], i))) for i in (1, 2, 3, 4)]
assert four['seconds'] == max(r['seconds'] for r in results), (four['seconds'], results)
for part in 'latency', 'queued', 'served':
    assert four[part]['sum_us'] == sum(r[part]['sum_us'] for r in results)
    assert four[part]['max_us'] == max(r[part]['max_us'] for r in results)
END
expect 'the place was used' 2 'another run has already used this place' load ledger run "${guide[@]}" --shard=1/4 --rendezvous="file://$scratch/meet"
find "$scratch/meet/piece" "$scratch/meet/word" -type f 2>/dev/null | grep . && bad "words of shards that ended are left" || ok
# the histograms are those of the ledgers, bucket by bucket
tests/kubernetes/histograms.py "$scratch/joined" "$scratch"/meet/result/*.json >"$scratch/out" && ok || bad "$(cat "$scratch/out")"
# while they run they tell how far they are: one is killed, one is asked to end
expect 'a load to cut' 0 'prepared' load oltp_write_only prepare "${guide[@]}" --mysql-db=cut --ledger-rows --rand-seed=7 --rand-type=uniform
for i in 1 2 3 4; do
	load oltp_write_only run "${guide[@]}" --mysql-db=cut --threads=2 --rate=200 --time=9 --report-interval=0 --ledger-rows --ledger-dir="$scratch/c$i" \
		--rand-seed=7 --rand-type=uniform --shard=$i/4 --rendezvous="file://$scratch/cut" >"$scratch/shard$i" 2>&1 &
	shards[i]=$!
done
heard() { grep -Eq '"acked": ?[1-9]' "$scratch/cut/word/0000$1.json" && [ -n "$(ls "$scratch/cut/piece/0000$1")" ]; }
wait_for 60 heard 3 2>/dev/null || bad "shard 3 says nothing: $(cat "$scratch/shard3")"
pkill -KILL -P "${shards[3]}" 2>/dev/null; kill -KILL "${shards[3]}"
wait_for 60 heard 2 2>/dev/null || bad "shard 2 says nothing: $(cat "$scratch/shard2")"
kill -TERM "${shards[2]}"
wait "${shards[1]}" && wait "${shards[4]}" && ok || bad "shards 1 and 4: $(cat "$scratch/shard1" "$scratch/shard4")"
wait "${shards[2]}" "${shards[3]}" 2>/dev/null
given_up() { load report "file://$scratch/cut" >"$scratch/cut.out" 2>&1; [ $? != 3 ]; }
wait_for 60 given_up || bad "$(cat "$scratch/cut.out")"
expect 'a shard was killed' 4 '^Shard 3 \(workers 5 to 6\) was killed: it wrote no result. Until its last update' load report "file://$scratch/cut" --ledger-dir="$scratch/cutl"
grep -q '^Shard 2 ended early, after .*: interrupted' "$scratch/out" && grep -q '^4 shards, 8 workers' "$scratch/out" && ok || bad "$(cat "$scratch/out")"
grep -q '^Ledgers: 8 files' "$scratch/out" && ok || bad "$(cat "$scratch/out")"
expect 'its ledger is judged' 0 '^PASS +ledger: ' "$DRTEST" judge oltp_write_only --ledger-dir "$scratch/cutl" --server "mysql://root@127.0.0.1:$port" --mysql-db cut \
	--tables 3 --table-size 500 --rand-type uniform --rand-seed 7
grep -q '^PASS    model' "$scratch/out" && ok || bad "$(cat "$scratch/out")"
expect 'killed, for machines' 4 '"workers_from": 5' load report "file://$scratch/cut" --json
rm "$scratch/cut/word/00003.json" "$scratch"/cut/piece/00003/*
expect 'it never wrote an update' 4 'Shard 3 .* never wrote an update: all its transactions are unknown: ' load report "file://$scratch/cut" --ledger-dir="$scratch/cutn"
expect 'its rows are no strays' 0 '^PASS +ledger: ' "$DRTEST" judge oltp_write_only --ledger-dir "$scratch/cutn" --server "mysql://root@127.0.0.1:$port" --mysql-db cut \
	--tables 3 --table-size 500 --rand-type uniform --rand-seed 7
rm "$scratch/meet/result/00003.json"
python3 - "$scratch/meet/start.json" <<'END'
import json, sys, time
start = json.load(open(sys.argv[1]))
start['wall_us'] = int(time.time() * 1e6)
json.dump(start, open(sys.argv[1], 'w'))
END
expect 'a shard still runs' 3 'shard 3 has not written a result' load report "file://$scratch/meet"
expect 'no meeting' 3 'no run used this place' load report "file://$scratch/nowhere"
expect 'shard alone' 2 '--shard and --rendezvous must be used together' load ledger run --shard=1/2

# a load that was killed: what it sent last is in no record, and its rows are no strays
expect 'a load to kill' 0 'prepared' load oltp_write_only prepare "${guide[@]}" --mysql-db=killed --ledger-rows
"$DRTEST" load oltp_write_only run "${guide[@]}" --mysql-db=killed --ledger-rows --rate=0 --ledger-dir="$scratch/killed" --time=600 >/dev/null 2>&1 & victim=$!
begun() { [ "$(stat -c %s "$scratch/killed/worker-0001.ledger")" -gt 96 ]; }
wait_for 60 begun 2>/dev/null || bad "the load to kill wrote no ledger"
expect 'a ledger has one writer' 2 'a load that still runs writes there: stop it first' load oltp_write_only run "${guide[@]}" --mysql-db=killed --ledger-dir="$scratch/killed" --time=1
kill -KILL $victim
wait $victim 2>/dev/null
truncate -s -48 "$scratch/killed/worker-0001.ledger"
held=$scratch/killed/load.running
workers=$(cat "$held")
for wrong in 4000000000 -1 0 '' "$workers x"; do
	echo "$wrong" >"$held"
	expect "a damaged mark of a killed load: $wrong" 3 'load.running is damaged: write the number of workers' \
		"$DRTEST" judge oltp_write_only --ledger-dir "$scratch/killed" --server "mysql://root@127.0.0.1:$port"
done
echo "$workers" >"$held"
expect 'a killed load is judged' 0 '^PASS +ledger: .* 0 in no ledger' "$DRTEST" judge oltp_write_only --ledger-dir "$scratch/killed" --server "mysql://root@127.0.0.1:$port"
grep -q '^PASS    model' "$scratch/out" && ok || bad "$(cat "$scratch/out")"

# a verdict over a drill made by hand
model=(--mysql-db=judged --rand-seed=42)
judge() { "$DRTEST" judge oltp_write_only --ledger-dir "$scratch/judged" --server "mysql://root@127.0.0.1:$port" --mysql-db judged --tables 3 --table-size 500 "$@"; }
export -f judge; export DRTEST scratch port
expect 'a load to judge' 0 'prepared' load oltp_write_only prepare "${guide[@]}" "${model[@]}" --ledger-rows
expect 'it runs' 0 'transactions: *60 ' load oltp_write_only run "${guide[@]}" "${model[@]}" --ledger-rows --ledger-dir="$scratch/judged" --rate=0 --events=60 --time=60
mkdir "$dir/tmp2"; [ "$(id -u)" = 0 ] && chown nobody "$dir/tmp2"
mariadb-install-db --no-defaults "${as[@]}" --datadir="$dir/twin" --tmpdir="$dir/tmp2" --auth-root-authentication-method=normal --skip-test-db >/dev/null 2>&1
twin=$(free_port)
mariadbd --no-defaults "${as[@]}" --datadir="$dir/twin" --tmpdir="$dir/tmp2" --port="$twin" --bind-address=127.0.0.1 --socket="$dir/s2" >"$dir/log2" 2>&1 & server="$server $!"
wait_for 60 mariadb --no-defaults -h127.0.0.1 -P"$twin" -uroot -e 'SELECT 1'
expect 'a copy' 0 '' "$DRTEST" backup --source-uri "mysql://root@127.0.0.1:$port" --storage "file://$scratch/full"
expect 'of it' 0 '' "$DRTEST" restore --target-uri "mysql://root@127.0.0.1:$twin" --storage "file://$scratch/full"
expect 'compared with itself' 2 'other and server are one server' bash -c "judge --rand-seed 42 --compare mysql://root@localhost:$port"
expect 'judged by hand' 0 '^PASS +model: ' bash -c "judge --rand-seed 42 --compare mysql://root@127.0.0.1:$twin"
grep -q '^PASS    ledger: 60 of 60 acknowledged' "$scratch/out" && grep -q "cannot see: " "$scratch/out" && grep -q '^PASS    compare' "$scratch/out" && ok || bad "$(cat "$scratch/out")"
# the load has written down what it was told: nothing has to be repeated, and nothing can be repeated wrongly
bare() { "$DRTEST" judge oltp_write_only --ledger-dir "$scratch/judged" --server "mysql://root@127.0.0.1:$port" "$@"; }
export -f bare
expect 'without options' 0 '^PASS +model: ' bash -c bare
expect 'another seed' 2 '^drtest judge: --rand-seed is not what the load had' bash -c "judge --rand-seed 43"
expect 'a TSO for GTIDs' 2 '^drtest judge: --point is a TSO, but this ledger has' bash -c "judge --point 435844546560000001"
expect 'no conditions' 2 'load oltp_write_only has no conditions of its own .*: drtest judge' load oltp_write_only check "${guide[@]}"
expect 'fewer tables' 2 '^drtest judge: --tables is not what the load had' bash -c "bare --tables 2"
expect 'another load' 2 'is that of the load oltp_write_only, not of bank' "$DRTEST" judge bank --ledger-dir "$scratch/judged" --server "mysql://root@127.0.0.1:$port"
mv "$scratch/judged/load.json" "$scratch/note"
echo '{' >"$scratch/judged/load.json"
expect 'a damaged note' 3 'load.json is damaged: remove it' bash -c bare
rm "$scratch/judged/load.json"
expect 'a seed that nobody told' 0 '^PASS +model: ' bash -c judge
expect 'another seed, and nothing written down' 1 '^FAIL +model: .*did `prepare` and `run` have the same --rand-seed' bash -c "judge --rand-seed 43"
mv "$scratch/note" "$scratch/judged/load.json"
# a run whose ledger could not be judged does not begin
again=(load oltp_write_only run "${guide[@]}" --ledger-rows --events=9)
expect 'another seed than prepare had' 2 'are not those of seed 7: .*use the --rand-seed that `prepare` had' "${again[@]}" --mysql-db=judged --rand-seed=7 --ledger-dir="$scratch/other"
expect 'another table size' 2 'rows up to id 500, but --table-size is 400: ' "${again[@]}" --mysql-db=judged --table-size=400 --ledger-dir="$scratch/other"
[ ! -e "$scratch/other" ] && ok || bad 'it left a ledger'
expect 'the ledger of another run' 2 'has the ledger of a run with another load_tables: use another directory' "${again[@]}" --mysql-db=judged --load-tables=2 --ledger-dir="$scratch/judged"
expect 'tables that are there' 3 'already exists.*`drtest load NAME cleanup` drops' load oltp_write_only prepare "${guide[@]}" --mysql-db=judged
expect 'a load without its ledger' 0 'prepared' load bank prepare "${guide[@]}" --mysql-db=bare
expect 'prepared without --ledger-rows' 3 'prepare the load first, with --ledger-rows too' load bank run "${guide[@]}" --mysql-db=bare --ledger-rows --events=9 --time=60 --ledger-dir="$scratch/bare"
expect 'judged without --ledger-rows' 2 'drtest_ledger is not on the server: .*--ledger-rows' "$DRTEST" judge bank --ledger-dir "$scratch/bare" --server "mysql://root@127.0.0.1:$port"
sql 'DELETE FROM judged.drtest_ledger WHERE worker = 2 AND seq = 3'
expect 'a lost transaction' 1 '^FAIL +ledger: 59 of 60' bash -c "judge --rand-seed 42 --json --lost $scratch/lost; judge --rand-seed 42"
expect 'no ledger' 2 'no such directory' "$DRTEST" judge bank --ledger-dir /nowhere --server mysql://root@127.0.0.1:1

# mistakes in a load of somebody's own
own() { # NAME PATTERN EVENT
	printf 'return { name = "own", statements = {}, event = function(con, r)\n%s\nend }\n' "$3" >"$scratch/own.lua"
	expect "$1" 2 "$2" load "$scratch/own.lua" run "${guide[@]}" --threads=1 --time=1
}
own 'a method that is none' "own.lua:2: con has no 'excute': did you mean 'execute'" 'con:excute("put")'
own 'a draw that is none' "own.lua:2: r has no 'tabel': did you mean 'table'" 'con:begin() r:tabel()'
own 'an event without an end' 'event.. computes without end' 'while true do end'

# nobody gets through: said while it lasts, and at the end
cat >"$scratch/gate.lua" <<'END'
-- Each transaction passes a gate; while somebody else holds it, none does.
return { name = "gate", event = function(con)
  con:query "DO GET_LOCK('gate', 1000), RELEASE_LOCK('gate')"
end, statements = {} }
END
mkfifo "$scratch/hold"
mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -N -n <"$scratch/hold" >"$scratch/held" 2>&1 &
holder=$!
exec 7>"$scratch/hold"
echo "SELECT GET_LOCK('gate', 1000);" >&7
wait_for 60 grep -q 1 "$scratch/held" || bad "the gate is not held"
load "$scratch/gate.lua" run "${guide[@]}" --mysql-db=test --threads=3 --rate=0 --time=0 --json >"$scratch/gate.json" 2>"$scratch/gate.err" 7>&- &
run=$!
wait_for 120 grep -q 'no transaction has succeeded for [0-9]* s: 3 of 3 workers are waiting' "$scratch/gate.err" || bad "a stall is not told: $(cat "$scratch/gate.err")"
exec 7>&-
wait $holder
wait_for 120 grep -q 'transactions succeed again' "$scratch/gate.err" || bad "its end is not told: $(cat "$scratch/gate.err")"
kill -INT $run; wait $run
python3 -c '
import json, sys
s = json.load(open(sys.argv[1]))["stalls"]
assert s["times"] == 1 and s["longest_ms"] >= 5000, s' "$scratch/gate.json" && ok || bad "the stall in the report"
cat >"$scratch/stands_still.lua" <<'END'
local scenario = require "drtest.scenario"
return scenario { name = "stands_still", run = function(t)
  t:step("a load that stands still", function()
    local c = t:cluster { name = "primary" }
    local load = t:load { "sleeper.lua", workers = 2 }
    load:prepare { on = c }
    load:start { on = c }
    t:sleep "9s"
    load:stop()
    t:check("the sum is right", true)
  end)
end }
END
sed "s/con:query.*/con:query 'DO SLEEP(12)'/; s/statements = {}/statements = {}, prepare = function() end/" "$scratch/gate.lua" >"$scratch/sleeper.lua"
expect 'a drill under a load that stands still' 4 "UNKNOWN: the load's transactions get through: no transaction succeeded" \
	"$DRTEST" run "$scratch/stands_still.lua" --on local --store file --out "$scratch/runs"
grep -q 'note: load .*: no transaction has succeeded for [0-9]* s: 2 transactions are waiting' "$scratch/out" && ok || bad "no word while it lasts: $(cat "$scratch/out")"
[ -s "$scratch"/runs/*-stands_still-42/load-sleeper.lua ] && ok || bad "the load's file is not kept with the run"
grep -q 'a load that stands still  *unknown' "$scratch/out" && ok || bad "the step's line: $(cat "$scratch/out")"

# the server dies under the run: the figures up to then, and what became of each transaction
load oltp_write_only run "${guide[@]}" --rate=0 --time=30 --report-interval=0 --on-lost=stop >"$scratch/out" 2>&1 &
run=$!
sleep 1; kill -9 $server; wait $server 2>/dev/null; server=
wait $run && bad "exit 0 without a server" || ok
grep -q 'Lost connection\|connection to the server was lost\|lost their connections' "$scratch/out" && ok || bad "nothing told of the loss: $(tail -n 3 "$scratch/out")"
grep -Eq 'acknowledged [1-9][0-9]*, failed' "$scratch/out" && ok || bad "no figures"
