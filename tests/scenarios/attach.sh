#!/bin/bash
# The attach ground: clusters that run already (stand-ins, started here as an operator would), by a clusters file: what it allows is done, what it
# does not is refused before anything is touched; a rehearsal against the living pair; MariaDB as the secondary.
. "$(dirname "$0")/lib.sh"
chmod 755 "$scratch"
export TIUP_HOME=$scratch/tiup PATH=$PWD/tests/standins:$PATH DRTEST
mkdir -p "$TIUP_HOME/bin" "$scratch/store"
echo '{}' >"$TIUP_HOME/bin/root.json"
out=$scratch/runs
# Below the ports that the kernel gives out, and above where drtest's own playgrounds begin.
for offset in $(shuf -e 7000 8000 9000 10000); do
	busy=0
	for o in "$offset" $((offset + 1000)) $((offset + 2000)); do
		for p in 4000 10080 2379 2380 20160 20180 8300 9527; do (: </dev/tcp/127.0.0.1/$((p + o))) 2>/dev/null && busy=1; done
	done
	[ $busy = 0 ] && break
done
started=()
# playground NAME OFFSET TICDC
playground() {
	setsid tiup --tag "$1" playground v8.5.7 --host 127.0.0.1 --db 1 --pd 1 --kv 1 --tiflash 0 --ticdc "$3" --without-monitor --port-offset "$2" \
		>"$scratch/$1.log" 2>&1 </dev/null &
	started+=($!)
	echo $! >"$scratch/$1.pid"
}
stop_all() {
	for pid in "${started[@]}" $(cat "$scratch"/*.pid 2>/dev/null); do kill -9 -- "-$pid" 2>/dev/null; done
	[ -n "${mariadb_pid:-}" ] && kill -9 "$mariadb_pid" 2>/dev/null
	wait 2>/dev/null
}
trap 'stop_all 2>/dev/null; finish' EXIT
STANDIN_FAULTS=brie-slow=never playground primary "$offset" 1
playground secondary "$((offset + 1000))" 0
for name in primary secondary; do
	for _ in $(seq 200); do [ -e "$TIUP_HOME/data/$name/dsn" ] && break; sleep 0.1; done
	grep -q 'Connect TiDB:.*--port '"$((offset + (${#name} - 7) / 2 * 1000 + 4000))" "$scratch/$name.log" || { cat "$scratch/$name.log"; bad "$name did not start on its ports"; exit 1; }
done
cat >"$scratch/start-scratch" <<S
#!/bin/bash
setsid tiup --tag scratch playground v8.5.7 --host 127.0.0.1 --db 1 --pd 1 --kv 1 --tiflash 0 --ticdc 0 --without-monitor --port-offset $((offset + 2000)) \\
	>"$scratch/scratch.log" 2>&1 </dev/null &
echo \$! >"$scratch/scratch.pid"
S
cat >"$scratch/kill" <<S
#!/bin/bash
kill -9 -- "-\$(cat "$scratch/\$1.pid")"
S
chmod +x "$scratch/start-scratch" "$scratch/kill"
ticdc() { PYTHONPATH=tests/standins python3 -B -c 'import common, json, sys; print(json.dumps(common.http_json(*sys.argv[1:])))' "$1" "http://127.0.0.1:$((offset + 8300))/api/v2/$2"; }
zone=', redo_time_zone = "+00:00"'
# clusters PRIMARY SECONDARY: the file, with these fields beside the endpoints
clusters() {
	cat >"$scratch/clusters.lua" <<L
local function at(offset)
  return { sql = { host = "127.0.0.1", port = 4000 + offset, password = env "DB_PASSWORD" }, pd = "http://127.0.0.1:" .. 2379 + offset,
           status = "http://127.0.0.1:" .. 10080 + offset }
end
local primary, secondary, scratch = at($offset), at($((offset + 1000))), at($((offset + 2000)))
primary.ticdc = "http://127.0.0.1:" .. 8300 + $offset
$1
$2
scratch.expendable = true
scratch.commands = { start = { "$scratch/start-scratch" }, destroy = { "$scratch/kill", "scratch" } }
return { primary = primary, secondary = secondary, scratch = scratch, store = "file://$scratch/store", redo = "file://$scratch/redo"$zone }
L
}
export DB_PASSWORD=
with=(--on attach --clusters "$scratch/clusters.lua" --out "$out")
run=("$DRTEST" run scenarios/failover.lua --on attach --clusters "$scratch/clusters.lua" --out "$out")

# ---- the file itself
expect "no file" 2 'drtest run: --on attach needs --clusters FILE' "$DRTEST" run scenarios/rehearse.lua --on attach --out "$out"
expect "a file that is not there" 2 'clusters.lua: No such file' "${run[@]}"
bad_file() { # NAME LUA PATTERN
	printf '%s\n' "$2" >"$scratch/clusters.lua"
	expect "$1" 2 "$3" "${run[@]}"
}
bad_file "no table" 'return 7' 'it must end with: return \{'
bad_file "a syntax error" 'return {' "clusters.lua:[0-9]+: "
bad_file "a misspelt field" 'return { primary = { sql = { host = "h" }, expandable = true } }' "cluster primary has an unknown field 'expandable'"
bad_file "a field that was meant" 'return { primary = { sql = { hots = "h" } } }' "sql has an unknown field 'hots': did you mean 'host'"
bad_file "a number for an ID" 'return { primary = { sql = { host = "h" }, cluster_id = 7712997407283468988 } }' 'cluster_id must be text of at most 23 bytes, in quotes'
bad_file "a cluster without a name" 'return { { sql = { host = "h" } } }' 'an entry has no name: each cluster is NAME'
bad_file "no endpoint" 'return { primary = { } }' 'cluster primary: sql = \{ .* is missing'
bad_file "a shell line" 'return { primary = { sql = { host = "h" }, commands = { kill = "rm -rf /" } } }' 'kill must be a list of 1 to 32 words, not a shell line'
bad_file "all unset variables at once" $'return { primary = { sql = { host = "h", user = env "DRTEST_NO_USER",\n password = env "DRTEST_NOT_SET" } } }' \
	'not set in the environment: DRTEST_NO_USER \(line 1\), DRTEST_NOT_SET \(line 2\)'
bad_file "a loop" 'while true do end' 'the file runs too long'
bad_file "no time zone" "return { redo_time_zone = \"+8' \", primary = { sql = { host = 'h' } } }" "redo_time_zone .* is not a time zone"
bad_file "kill by allow" 'return { primary = { sql = { host = "h" }, allow = { "kill" } } }' 'allow cannot contain kill: set expendable = true'

# ---- the examples are whole
for f in examples/tiup-cluster.lua:rehearse examples/tidb-operator/clusters.lua:failover; do
	AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=topsecret MYSQL_PWD=topsecret STORE_KEY=a STORE_SECRET=topsecret expect "${f%:*}" 0 'nothing is done' \
		"$DRTEST" run "scenarios/${f#*:}.lua" --on attach --clusters "${f%:*}" --plan
	grep -q topsecret "$scratch/out" && bad "a secret is in the plan of ${f%:*}" || ok
done

# ---- what is not allowed is refused before anything is touched
clusters 'primary.allow = { "backup", "gc", "changefeed", "write" }' 'secondary.allow = { "restore", "write" }'
expect "a primary that is not expendable" 2 'primary is not marked expendable = true in the clusters file, so drtest does not kill it' "${run[@]}"
clusters '' ''
expect "a primary that may only be read" 2 'the clusters file does not allow write on primary' "${run[@]}"
[ -z "$(find "$out" -mindepth 1 -maxdepth 1 2>/dev/null)" ] && ok || bad "a refused run made a folder"
clusters 'primary.expendable = true' 'secondary.allow = { "restore", "write" }'
expect "no command to kill" 2 'has no command to kill it' "${run[@]}"

# ---- a pair is set up, as far as the file allows
clusters 'primary.allow = { "backup", "gc", "changefeed", "write" }' 'secondary.allow = { "restore", "write" }'
cat >"$scratch/setup.lua" <<L
local scenario = require "drtest.scenario"
return scenario { name = "setup", run = function(t)
  t:step("set up", function()
    local store = t:store { buckets = { "backup" } }
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    primary:sql "CREATE DATABASE d"
    primary:sql "CREATE TABLE d.t (id INT PRIMARY KEY, v TEXT)"
    primary:sql "CREATE TABLE d.w (id INT PRIMARY KEY, at TIMESTAMP(3) NULL)"
    primary:sql "INSERT INTO d.w VALUES (1, '2026-03-29 02:30:00.125')"
    for i = 1, 50 do primary:sql("INSERT INTO d.t VALUES (" .. i .. ", 'before')") end
    primary:set_gc(false)
    local backup = primary:backup(store:url "backup/first")
    secondary:restore(backup)
    t:check("the secondary equals the primary at BackupTS", t.verify.sums(secondary, backup))
    local feed = primary:changefeed { id = "live", sink = secondary, start_ts = backup.ts, redo = "file://$scratch/redo" }
    primary:set_gc(true)
    for i = 1, 20 do primary:sql("UPDATE d.t SET v = 'after' WHERE id = " .. i) end
    local at = primary:position()
    t:eventually("it arrives", "20s", function() return feed:reached(at) end)
    t:check("equal", t.verify.same(primary, secondary))
  end)
end }
L
# kept: the changefeed runs on, as an operator's own
expect "a pair is set up" 0 'PASS' "$DRTEST" run "$scratch/setup.lua" "${with[@]}" --keep
grep -q 'stand-ins, not the real tools' "$scratch/out" && ok || bad "the stand-ins are not named: $(cat "$scratch/out")"
mariadb -h127.0.0.1 -P$((offset + 4000)) -uroot --ssl=0 -BNe 'SELECT @@tidb_gc_enable' | grep -qx 1 && ok || bad "garbage collection is not on again"

# the log's TIMESTAMPs are in a zone that only the operator knows
zone='' clusters 'primary.allow = { "backup" }' ''
expect "TIMESTAMPs of a zone that nobody told" 3 'primary: d\.w\.at is a TIMESTAMP: .*' "$DRTEST" run scenarios/rehearse.lua "${with[@]}"
grep -q 'set redo_time_zone' "$scratch/out" && ok || bad "no fix: $(cat "$scratch/out")"
clusters 'primary.allow = { "backup", "gc", "changefeed", "write" }' 'secondary.allow = { "restore", "write" }'

zone=', redo_time_zone = "Asia/Nowhere"' clusters 'primary.allow = { "backup" }' ''
expect "a time zone that is none" 3 "primary does not know the time zone of redo_time_zone: .*Asia/Nowhere" "$DRTEST" run scenarios/rehearse.lua "${with[@]}"
clusters 'primary.allow = { "backup", "gc", "changefeed", "write" }' 'secondary.allow = { "restore", "write" }'

# a run that breaks between off and on
cat >"$scratch/breaks.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "breaks", run = function(t)
  t:step("break", function() local primary = t:cluster { name = "primary" } primary:set_gc(false) primary:sql "NONSENSE" end)
end }
L
expect "a run that breaks" 3 'NONSENSE' "$DRTEST" run "$scratch/breaks.lua" "${with[@]}"
mariadb -h127.0.0.1 -P$((offset + 4000)) -uroot --ssl=0 -BNe 'SELECT @@tidb_gc_enable' | grep -qx 1 && ok || bad "garbage collection was left off"

gc_of_primary() { mariadb -h127.0.0.1 -P$((offset + 4000)) -uroot --ssl=0 -BNe "${1:-SELECT @@tidb_gc_enable}"; }
gc_is() { [ "$(gc_of_primary)" = "$1" ]; }

# its operator had switched it off: it stays off
gc_of_primary 'SET GLOBAL tidb_gc_enable = OFF'
expect "a run that breaks where it was off" 3 'NONSENSE' "$DRTEST" run "$scratch/breaks.lua" "${with[@]}"
gc_is 0 && ok || bad "garbage collection, off before, was switched on"
gc_of_primary 'SET GLOBAL tidb_gc_enable = ON'

# drtest is killed while it is off
cat >"$scratch/sleeps.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "sleeps", run = function(t)
  t:step("sleep", function() local primary = t:cluster { name = "primary" } primary:set_gc(false) t:sleep "120s" t:check("x", true) end)
end }
L
"$DRTEST" run "$scratch/sleeps.lua" "${with[@]}" >"$scratch/killed" 2>&1 </dev/null &
pid=$!
wait_for 60 gc_is 0 && ok || bad "garbage collection was not switched off: $(cat "$scratch/killed")"
kill -9 "$pid"
wait_for 60 gc_is 1 && ok || bad "a killed drtest left garbage collection off"

# Ctrl-C ends a BACKUP that would take minutes
cat >"$scratch/backup.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "backup", run = function(t)
  t:step("backup", function()
    local store, primary = t:store { buckets = { "backup" } }, t:cluster { name = "primary" }
    primary:backup(store:url "backup/never")
    t:check("x", true)
  end)
end }
L
"$DRTEST" run "$scratch/backup.lua" "${with[@]}" >"$scratch/interrupted" 2>&1 </dev/null &
pid=$!
wait_for 60 grep -q 'BACKUP has begun' "$TIUP_HOME/data/primary/tidb-0/tidb.log" && kill -INT "$pid"
wait "$pid"
[ $? = 130 ] && ok || bad "Ctrl-C in BACKUP: $(cat "$scratch/interrupted")"
grep -qx statement "$DRTEST_UNDO"/* && bad "Ctrl-C in BACKUP: it stays noted" || ok
# so does the guardian of a drtest that was killed; where it cannot log in (no password), `drtest clean` does
guarded() { for p in $(pgrep -x drtest-guardian); do grep -qsxz "DRTEST_UNDO=$DRTEST_UNDO" "/proc/$p/environ" && return 0; done; return 1; }
unguarded() { ! guarded; }
begun() { [ "$(grep -c 'BACKUP has begun' "$TIUP_HOME/data/primary/tidb-0/tidb.log")" = "$1" ]; }
ended() { [ "$(grep -c 'BACKUP has ended' "$TIUP_HOME/data/primary/tidb-0/tidb.log")" = "$1" ]; }
for n in 2 3; do
	"$DRTEST" run "$scratch/backup.lua" "${with[@]}" >"$scratch/killed" 2>&1 </dev/null & pid=$!
	wait_for 60 begun $n || bad "no BACKUP: $(cat "$scratch/killed")"
	[ $n = 2 ] || mv "$scratch/clusters.lua" "$scratch/away.lua" # the guardian has nothing to read
	grep -aq "^[0-9]*	BACKUP	file://$scratch/store/.*never$" "$DRTEST_UNDO"/* && ok || bad "BACKUP is not noted: $(cat "$DRTEST_UNDO"/*)"
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	if [ $n = 3 ]; then
		wait_for 60 unguarded && ! ended $n && ok || bad "without a clusters file: $(cat "$scratch/killed")"
		mv "$scratch/away.lua" "$scratch/clusters.lua"
		expect "clean ends a dead run's BACKUP" 0 'of a run that died: statement [0-9]+ BACKUP file://.* on primary .* no longer runs' \
			"$DRTEST" clean --undo
	fi
	wait_for 60 ended $n && ok || bad "kill -9 $n: BACKUP goes on"
done

# ---- a query reads
cat >"$scratch/query.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "query", options = { sql = { "", "what" } }, run = function(t, opt)
  t:step("query", function() t:check("it answers", t:planning() or #t:cluster({ name = "secondary" }):query(opt.sql) > 0) end)
end }
L
clusters '' ''
expect "a query" 0 'PASS' "$DRTEST" run "$scratch/query.lua" "${with[@]}" --set "sql=SELECT COUNT(*) FROM d.t"
for q in "DELETE FROM d.t WHERE id = 1" "SELECT 1 INTO OUTFILE '$scratch/x'" "WITH x AS (SELECT 1) DELETE FROM d.t" "EXPLAIN ANALYZE DELETE FROM d.t" \
	"SELECT NEXTVAL(d.s)" "SELECT NEXT  VALUE FOR d.s" "SELECT setval(d.s, 9)" "SELECT * FROM d.t FOR/**/SHARE" "SELECT * FROM d.t LOCK IN SHARE MODE" "SELECT GET_LOCK('x', 9)" \
	"SELECT SLEEP(900)" "/*! DELETE FROM d.t */" "SELECT LOAD_FILE('/etc/passwd')"; do
	expect "no query: $q" 2 'this statement does more than read, and the clusters file does not allow write' "$DRTEST" run "$scratch/query.lua" "${with[@]}" --set "sql=$q"
done

# ---- what would stand in the way later is told before the first step
cat >"$scratch/back.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "back", options = { from = { "secondary", "the source" } }, run = function(t, opt)
  t:step("feed back", function()
    local store = t:store { buckets = { "backup" } }
    local a, b = t:clusters({ name = "primary" }, { name = "secondary" })
    local from, to = opt.from == "primary" and a or b, opt.from == "primary" and b or a
    from:changefeed { id = "back", sink = to, start_ts = from:current_tso(), redo = store:url "backup/redo" }
  end)
end }
L
clusters 'primary.allow = { "write", "changefeed" }' 'secondary.allow = { "changefeed", "write" }'
expect "no TiCDC" 2 'secondary: a changefeed from it needs ticdc' "$DRTEST" run "$scratch/back.lua" "${with[@]}"
expect "no TiCDC, by the plan" 2 'secondary: a changefeed from it needs ticdc' "$DRTEST" run "$scratch/back.lua" "${with[@]}" --plan
gc_of_primary 'CREATE TABLE d.nokey (a INT)'
expect "a table without a key" 3 'primary: TiCDC refuses to create a changefeed: 1 table has neither a primary nor a unique key: d.nokey' "$DRTEST" run \
	"$scratch/back.lua" "${with[@]}" --set from=primary
expect "doctor" 0 'changefeed +live is normal, .* consistent.level = "eventual", redo log in file://' "$DRTEST" doctor --on attach --clusters "$scratch/clusters.lua"
grep -q 'no key .*d.nokey' "$scratch/out" && grep -q 'cluster_id  *"[0-9]*"' "$scratch/out" && ok || bad "doctor does not tell all: $(cat "$scratch/out")"
id=$(sed -n 's/^ *secondary *cluster_id *"\([0-9]*\)".*/\1/p' "$scratch/out")
clusters 'primary.allow = { "backup" } primary.cluster_id = "'"$id"'"' ''
expect "another cluster than the file says" 3 "primary: PD at .* says that it is cluster [0-9]+, the clusters file that it is $id" "$DRTEST" doctor --on attach --clusters "$scratch/clusters.lua"
# each part of an entry is of the same cluster: one wrong port is enough to write to somebody else's
for mix in "primary.pd = secondary.pd secondary = nil:sql at .* is not of the cluster of pd at" "primary.sql = secondary.sql secondary = nil:sql at .* is not of the cluster of pd at"; do
	clusters 'primary.allow = { "write" }' "${mix%:*}"
	expect "parts of two clusters: ${mix%:*}" 3 "(primary|secondary): ${mix##*:}" "$DRTEST" doctor --clusters "$scratch/clusters.lua"
	expect "parts of two clusters, by a run: ${mix%:*}" 3 "(primary|secondary): ${mix##*:}" "$DRTEST" run "$scratch/query.lua" "${with[@]}" --set "sql=SELECT 1"
done
gc_of_primary 'DROP TABLE d.nokey'
expect "two names of one server" 2 'are one server' "$DRTEST" doctor --on attach --clusters <(echo 'return { a = { sql = { host = "h" } }, b = { sql = { host = "h" } } }')
cat >"$scratch/wrong-scratch.lua" <<L
return { primary = { sql = { host = "127.0.0.1", port = $((offset + 4000)) }, allow = { "backup" } },
         scratch = { sql = { host = "127.0.0.1", port = $((offset + 5000)) }, expendable = true, commands = { destroy = { "touch", "$scratch/destroyed" } } },
         store = "file://$scratch/store", redo = "file://$scratch/redo", redo_time_zone = "+00:00" }
L
expect "a scratch that is somebody's" 3 'scratch: it is not empty \(it has d\)' "$DRTEST" run scenarios/rehearse.lua --on attach --clusters "$scratch/wrong-scratch.lua" --out "$out"
[ ! -e "$scratch/destroyed" ] && ok || bad "somebody's cluster was destroyed"
# with a command to start it, it is looked at only when it is wanted: whoever restores
sed -i 's|allow = { "backup" }|pd = "http://127.0.0.1:'$((offset + 2379))'", &|; s|, commands = {|, pd = "http://127.0.0.1:'$((offset + 3379))'", commands = { start = { "true" },|' "$scratch/wrong-scratch.lua"
for by in br drtest; do
	[ $by = br ] && set -- --set backup=br || set --
	expect "a scratch that is somebody's, found late, by $by" 3 'scratch is not empty \(it has d\)' "$DRTEST" run scenarios/rehearse.lua --on attach \
		--clusters "$scratch/wrong-scratch.lua" --out "$out" "$@"
	[ ! -e "$scratch/destroyed" ] && ok || bad "somebody's cluster was destroyed"
done
clusters 'primary.allow = { "backup", "gc", "changefeed", "write" }' 'secondary.allow = { "restore", "write" }'

# ---- the rehearsal: the primary may only be read and backed up, its changefeed goes on, a writer writes
( while :; do mariadb -h127.0.0.1 -P$((offset + 4000)) -uroot --ssl=0 -e "UPDATE d.t SET v = UUID() WHERE id = 1 + FLOOR(RAND() * 50)" || break; done ) 2>/dev/null &
writer=$!
clusters 'primary.allow = { "backup", "gc" }' ''
# (the clusters file's store is there: no MinIO is wanted)
LIMIT=90 expect "a rehearsal against the living pair" 0 'the scratch cluster equals the primary|PASS' env DRTEST_MINIO=/nowhere/minio "$DRTEST" run scenarios/rehearse.lua "${with[@]}"
grep -q 'garbage collection continues' "$scratch/out" && bad "garbage collection was not held" || ok
gc_of_primary | grep -qx 1 && ok || bad "the rehearsal left garbage collection off"
cat "$scratch/out"
kill "$writer" 2>/dev/null
grep -q '^PASS 4 checks' "$scratch/out" && ok || bad "the rehearsal has not made its 4 checks: $(cat "$scratch/out")"
state=$(ticdc GET changefeeds/live/status)
grep -q '"normal"' <<<"$state" && ok || bad "the rehearsal touched the changefeed: $state"
pgrep -f "$TIUP_HOME/data/scratch/" >/dev/null && bad "the scratch cluster was not destroyed" || ok

# ---- the same rehearsal where nothing runs yet: it makes its own pair, and knows every transaction
LIMIT=90 expect "a rehearsal on the local ground" 0 'PASS 7 checks' "$DRTEST" run scenarios/rehearse.lua --on local --store file --out "$out" \
	--set soak=2s --set tables=2 --set table_size=200

# ---- MariaDB as the secondary: drtest's own backup at one TSO, TiCDC into it
mkdir -p "$scratch/mariadb"
if mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve --datadir="$scratch/mariadb/data" --user="$(id -un)" >"$scratch/install.log" 2>&1; then
	port=$((offset + 3306))
	mariadbd --no-defaults --datadir="$scratch/mariadb/data" --tmpdir="$scratch/mariadb" --socket="$scratch/mariadb/s" --pid-file="$scratch/mariadb/p" --bind-address=127.0.0.1 --port="$port" \
		--user="$(id -un)" --skip-name-resolve >"$scratch/mariadb/log" 2>&1 </dev/null &
	mariadb_pid=$!
	for _ in $(seq 100); do mariadb -h127.0.0.1 -P"$port" -uroot --ssl=0 -e 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.1; done
	clusters 'primary.allow = { "backup", "gc", "changefeed", "write" }' \
		"secondary = { kind = \"mysql\", sql = { host = \"127.0.0.1\", port = $port }, allow = { \"restore\", \"write\" } }"
	sed -e 's/CREATE DATABASE d/CREATE DATABASE e/; s/d\.\([tw]\)/e.\1/g; s/id = "live"/id = "mysql"/; s/redo"/redo-mysql"/' "$scratch/setup.lua" >"$scratch/mysql.lua"
	expect "MariaDB as the secondary" 0 'PASS' env DRTEST_UNDO="$scratch/undo-mysql" "$DRTEST" run "$scratch/mysql.lua" "${with[@]}"
	expect "what it left there is removed" 0 'removed from secondary: database .*e' env DRTEST_UNDO="$scratch/undo-mysql" "$DRTEST" clean --clusters "$scratch/clusters.lua"
else
	bad "mariadb-install-db: $(tail -n 20 "$scratch/install.log")"
fi

# ---- drtest is killed while a changefeed of its own runs: what it made is put back
clusters 'primary.allow = { "backup", "gc", "changefeed", "write" }' 'secondary.allow = { "restore", "write" }'
cat >"$scratch/feeds.lua" <<L
local scenario = require "drtest.scenario"
return scenario { name = "feeds", run = function(t)
  t:step("feed", function()
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    primary:changefeed { id = "killed", sink = secondary, start_ts = primary:current_tso(), redo = "file://$scratch/redo-killed" }
    t:sleep "120s"
    t:check("x", true)
  end)
end }
L
users() { mariadb -h127.0.0.1 -P$((offset + 5000)) -uroot --ssl=0 -BNe "SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'drtest\\_cdc%'"; }
feed_is() { ticdc GET changefeeds/killed 2>/dev/null | grep -q "\"state\": \"$1\""; }
users_are() { [ "$(users)" = "$1" ]; }
kept=$(users) # that of the pair above, which --keep has left
"$DRTEST" run "$scratch/feeds.lua" "${with[@]}" >"$scratch/killed" 2>&1 </dev/null &
pid=$!
wait_for 60 feed_is normal && users_are $((kept + 1)) && ok || bad "the changefeed does not run: $(cat "$scratch/killed"; users; ticdc GET changefeeds/killed)"
kill -9 "$pid"
wait_for 60 feed_is stopped && ok || bad "a killed drtest left its changefeed running: $(ticdc GET changefeeds/killed)"
wait_for 60 users_are "$kept" && ok || bad "a killed drtest left TiCDC's user on the secondary"

# ---- what is left is listed, with the statements, and removed
cat >"$scratch/leaves.lua" <<L
local scenario = require "drtest.scenario"
return scenario { name = "leaves", run = function(t)
  t:step("leave", function()
    local store = t:store { buckets = { "redo" } }
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    local load = t:load { "oltp_write_only", db = "left_here", tables = 2, table_size = 10, workers = 1, rate = 5 }
    primary:changefeed { id = "leaves", sink = secondary, start_ts = primary:current_tso(), redo = store:url "redo/x" }
    load:prepare { on = primary }
    load:start { on = primary }
    t:sleep "1s"
    load:stop()
    t:check("x", true)
  end)
end }
L
rm -rf "$out"
expect "a run that leaves things" 0 'left: things left on your clusters' "$DRTEST" run "$scratch/leaves.lua" "${with[@]}"
result=$(echo "$out"/*-leaves-*/result.json)
has() { grep -q "$1" "$result" && ok || bad "no $1 in $(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["left"])' "$result")"; }
has '"what": "changefeed leaves, paused'
has 'cdc cli changefeed remove --changefeed-id=leaves'
has 'DROP TABLE IF EXISTS `left_here`.`sbtest1`, `left_here`.`sbtest2`.*; DROP DATABASE `left_here`'
has '"cluster": "secondary"'
has '"cluster": "store"'
grep -q 'Left on your clusters' "${result%result.json}report.html" && ok || bad "the page does not tell what is left"
gc_of_primary 'CREATE TABLE left_here.mine (id INT PRIMARY KEY)'
expect "it is told first" 0 'would remove from primary: changefeed leaves' "$DRTEST" clean --clusters "$scratch/clusters.lua" --dry-run
gc_of_primary 'SELECT COUNT(*) FROM left_here.sbtest1' >/dev/null && ok || bad "a dry run removed it"
# as the file of a ConfigMap is mounted: a link that leads elsewhere the next day
mkdir "$scratch/..data" && mv "$scratch/clusters.lua" "$scratch/..data/" && ln -s ..data/clusters.lua "$scratch/clusters.lua"
expect "it is removed" 0 "removed from primary: the load's tables in database left_here" "$DRTEST" clean --clusters "$scratch/clusters.lua"
[ "$(gc_of_primary "SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'left_here'")" = mine ] && ok || bad "the operator's table went, or the load's stayed"
ticdc GET changefeeds/leaves 2>&1 | grep -q '"state": "normal"\|"state": "stopped"' && bad "the changefeed is there" || ok
find "$scratch/store" -type f | grep -q leaves && bad "objects of the run are in the store" || ok
expect "and nothing is left" 0 'nothing to remove: no ended run left anything there' "$DRTEST" clean --clusters "$scratch/clusters.lua"

# ---- the disaster by the operator's command
clusters "primary.expendable = true primary.commands = { kill = { \"$scratch/kill\", \"primary\" } }" ''
cat >"$scratch/kill.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "kill", run = function(t)
  t:step("kill", function()
    local primary = t:cluster { name = "primary" }
    t:disaster { kill = primary }
    t:check("it is dead", true)
  end)
end }
L
expect "a disaster by the operator's command" 0 'PASS' "$DRTEST" run "$scratch/kill.lua" "${with[@]}"
pgrep -f "$TIUP_HOME/data/primary/" >/dev/null && bad "the primary lives" || ok
expect "a cluster that does not answer" 3 'primary: 127.0.0.1:[0-9]+: connect: ' "$DRTEST" run "$scratch/kill.lua" "${with[@]}"
