#!/bin/bash
# Mistakes of somebody who is new: each is answered by one line that names it and says what was probably meant, before anything is started.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
out=$scratch/runs
failover=(run scenarios/failover.lua --out "$out")
drtest() { # NAME EXIT PATTERN ARGUMENT…: an error's line is the only one
	local name=$1 want=$2 pattern=$3
	shift 3
	expect "$name" "$want" "$pattern" "$DRTEST" "$@"
	[ "$want" -lt 2 ] || [ "$(grep -Ec '^drtest( [a-z]+)?: ' "$scratch/out")" = 1 ] && ok || bad "$name: not one line: $(cat "$scratch/out")"
}

# ---- the command line
drtest "two scenarios" 2 "^drtest run: unexpected argument 'scenarios/rehearse.lua' after 'scenarios/failover.lua'" "${failover[@]}" scenarios/rehearse.lua
drtest "two suites" 2 "^drtest suite: unexpected argument 'b' after 'nightly'" suite nightly b
drtest "two scenarios of a sweep" 2 "^drtest sweep: unexpected argument 'b' after 'failover'" sweep failover b
drtest "a dash that an editor made" 2 "'—seed': an option begins with two hyphens" "${failover[@]}" —seed 4
drtest "an option twice" 2 '^drtest run: --seed is given twice: remove one' "${failover[@]}" --seed 4 --plan --seed=4
drtest "an option of a scenario twice" 2 '^drtest run: --set tables is given twice' "${failover[@]}" --set tables=2 --set rate=5 --set tables=3
drtest "two tools for one thing" 2 '^drtest run: --set replay is given twice' "${failover[@]}" --set replay=stock --set replay=both
drtest "two versions" 2 'the version of TiDB is given twice' "${failover[@]}" --set tidb_version=v8.5.3 --tidb-version v8.5.4
drtest "a target twice" 2 '^drtest sweep: --max-rpo: given twice for lost transactions' sweep failover --seeds 1 --max-rpo 5tx --max-rpo 6tx
drtest "a load's option twice" 2 '^drtest load: --threads is given twice' load bank run --threads 3 --threads=4
drtest "a load's own option twice" 2 '^drtest load: --set index_updates is given twice' load oltp_write_only run --index-updates=3 --set index_updates=4
drtest "an option that search and scenario share" 2 '^drtest capacity: --set precision is given twice' capacity --precision 5 --precision 6
drtest "a fault's argument twice" 2 'delay: by is given twice' chaos proxy --upstream 4001 delay by=1s by=2s
drtest "a suite's seed" 2 '^drtest suite: failover seed 1 .*--seed is given twice' suite nightly -- --seed 4
printf 'threads=4\nthreads=5\n' >"$scratch/config"
expect "a file's option twice" 2 '^drtest load: --threads is given twice' "$DRTEST" load bank run --config-file "$scratch/config"
printf 'return { suite = "x", runs = { { "failover", seeds = { 1 }, set = { soak = "2s", tables = 3 } } } }\n' >"$scratch/suite.lua"
expect "the command line goes before the suite" 0 'failover.lua --seed 1 --set tables=3 --set soak=1s$' "$DRTEST" suite "$scratch/suite.lua" --plan -- --set soak=1s
drtest "one hyphen" 2 'unknown option -seed: did you mean --seed' "${failover[@]}" -seed 4
drtest "a number that is neither a time nor a count" 2 "max-rpo: '1.5' is not a time such as 5s" "${failover[@]}" --max-rpo 1.5
drtest "attach without clusters" 2 '^drtest run: --on attach needs --clusters FILE' "${failover[@]}" --on attach --plan
drtest "a game day's options are the game day's" 2 '^drtest gameday: --clusters: the ground local takes no clusters file' gameday --on local --plan --clusters examples/tiup-cluster.lua
drtest "so are those of a search" 2 "^drtest capacity: --on: 'x' is not a ground" capacity --on x
drtest "one word too many for a load" 2 "^drtest load: unexpected argument 'x' after 'run'" load oltp_write_only run x
drtest "a load's verb first" 2 'the load comes first: drtest load bank run' load run bank
drtest "a load that never began" 2 'rate "-1" must be' load oltp_write_only run --rate=-1
grep -q 'rand-seed' "$scratch/out" && bad "the seed of nothing is told" || ok
drtest "a fault" 2 "there is no verb 'kil': did you mean 'kill'" chaos kil
drtest "an option of a fault" 2 'unknown option -5' chaos kill -5
drtest "the first process" 2 'process 1: drtest sends it no signal' chaos kill 1
drtest "a proxy to itself" 2 'would forward to itself' chaos proxy --upstream 4001 --listen 4001
drtest "which of two servers" 2 "^drtest diff: --b: server URI" diff --a mysql://root@127.0.0.1:1 --b y
drtest "which of two places" 2 '^drtest backup: --storage: URI' backup --source-uri mysql://root@127.0.0.1:1 --storage y
drtest "a target without its unit" 2 'lacks a unit after p99<5: write 5ms or 5s' capacity --target 'p99<5' --plan
drtest "a place that is none" 2 "option rendezvous: 'foo' is not s3://" capacity --rendezvous foo --plan
drtest "a suite's folder" 3 "^drtest suite: --out: create directory $0/x: $0: Not a directory" suite nightly --plan --out "$0/x"
drtest "a plan of each run" 2 '^drtest suite: --plan comes before --' suite nightly -- --plan
drtest "a sweep that never was" 2 '^drtest sweep: --resume tests: not the directory of a sweep' sweep failover --seeds 1 --resume tests
drtest "one word too many for a list" 2 "^drtest chaos: unexpected argument 'x' after 'list'" chaos list x
drtest "a log's folder" 2 'did you mean file:///var/tmp?' redo meta --storage /var/tmp
while read -r verb option others; do
	# shellcheck disable=SC2086 # an option and its value
	drtest "an option of $others for redo $verb" 2 "^drtest redo: ${option%%=*} is not for $verb, only for $others " \
		redo "$verb" --storage file:///nowhere ${option/=/ }
done <<'T'
cat --sink-uri=mysql://root@127.0.0.1:1 apply
meta --table=a.b cat
check --until=5 apply
check --downloads=2 apply, cat
apply --once watch
watch --memory=1GiB apply, check
T
for verb in meta check cat 'watch --once'; do
	# shellcheck disable=SC2086 # a verb and its option
	drtest "redo $verb of nothing" 3 'no meta file: nothing was logged here' redo $verb --storage file:///nowhere
done
expect "a table that is not in the log" 0 '^note: the log has records, but none that --table selects' "$DRTEST" redo cat --storage "file://$PWD/tests/fixtures/redo/small/log" --table x
drtest "a log from its end" 2 '^drtest redo: --start-ts is later than --end-ts' redo cat --storage file:///var/tmp --start-ts 5 --end-ts 4
drtest "a history of some runs" 2 '^drtest history: --rebuild can only be combined with --out' history --rebuild --scenario failover
drtest "the schema of a run" 2 '^drtest report: --schema cannot be combined' report --schema runs/x
drtest "a side to fix, and no file" 2 '^drtest diff: --fix needs --fix-sql' diff --a mysql://root@127.0.0.1:1 --b mysql://root@127.0.0.1:2 --fix a
setsid sleep 60 & sleeper=$!
drtest "a kill that heals" 2 '^drtest chaos: --lasts: nothing heals after this fault' chaos kill $sleeper --foreign --lasts 1s
kill $sleeper
drtest "an option of nothing" 2 "^drtest run: --clusters: FILE must not be empty" "${failover[@]}" --clusters ""
drtest "a search from nothing" 2 'min_rate: 0 is not from 1' capacity --min-rate 0
drtest "a search downwards" 2 'min_rate 100 is above max_rate 50' capacity --min-rate 100 --max-rate 50 --plan
drtest "a runbook's target" 2 "^drtest runbook: --max-rto: 'x' is not a time" runbook --clusters examples/tiup-cluster.lua --max-rto x
drtest "a self-test's drill" 2 '^drtest selftest: --scenario is only for --drills and --faults' selftest --scenario tests/planted/drill.lua
drtest "a self-test's table" 3 "^drtest selftest: --output $scratch/none/x: No such file" selftest --output "$scratch/none/x"
drtest "a system schema for a load" 2 "'sys' is a system schema, which is never replicated" load oltp_write_only run --mysql-db=sys --mysql-port=1

# ---- a scenario's options: found before anything starts
while IFS='|' read -r scenario option pattern; do
	drtest "$scenario: $option" 2 "$pattern" run "$scenario" --on local --store file --out "$out" --set "$option"
done <<'T'
gameday|db=mysql|option db: 'mysql' is a system schema
gameday|db=|option db: the name of a database has 1 to 64 bytes
gameday|window=10M|option window: '10M' is not a duration such as
gameday|window=721h|is not a duration .* at most 720h
gameday|limit=0|option limit: 0 is less than 1s
live_failover|tables=0|option tables: 0 is not from 1 to 10000
live_failover|db=INFORMATION_SCHEMA|is a system schema
capacity|load=nosuch|no load "nosuch"
capacity|rand_type=x|unknown distribution "x"
capacity|target=x|option target: 'x' must be a list of
capacity|min_rate=90000|min_rate 90000 is above max_rate 20000
ways_back|log_flush=5s|option log_flush: 5s is less than 11s
ways_back|syncpoint=29s|option syncpoint: 29s is less than 30s
human_error|log_flush=9s|option log_flush: 9s is less than 11s
syncpoint|interval=1s|option interval: 1s is less than 30s
throughput|threads=0|option threads: 0 is not from 1 to 64
ddl_under_fire|ddls=0|option ddls: 0 is not from 1 to 1000
T
[ -z "$(ls -A "$out" 2>/dev/null)" ] && ok || bad "a mistake left $(ls "$out")"

# ---- a plan refuses what the run would
planned=(run failover --on local --store file --plan)
: >"$scratch/file"
drtest "a plan's webhook" 2 '^drtest run: --webhook: must be an address such as https' "${planned[@]}" --webhook hook
drtest "a plan's webhook in a file" 2 "^drtest run: --webhook: @$scratch/none: No such file" "${planned[@]}" --webhook "@$scratch/none"
expect "a plan's folder" 3 "$scratch/file/runs: $scratch/file: Not a directory" "$DRTEST" "${planned[@]}" --out "$scratch/file/runs"
expect "a plan's tools" 3 'sync_diff_inspector nor tiup is on PATH' env PATH=/usr/bin:/bin:/usr/sbin:/sbin "$DRTEST" "${planned[@]}" --out "$out" --set compare=sync_diff_inspector
expect "a plan's store" 3 'DRTEST_MINIO' env DRTEST_MINIO=/nowhere "$DRTEST" run failover --on local --plan --out "$scratch/planned/runs"
[ -e "$scratch/planned" ] && bad "a plan made $scratch/planned" || ok

cat >"$scratch/again.lua" <<'L'
return require "drtest.scenario" { name = "again", run = function(t) t:step("a", function()
  local a = t:cluster { name = "a" }
  a:stop() a:start() t:check("it runs", #a:query "SELECT 1" == 1)
  t:kill(a, "server") a:start()
  local load = t:load { "oltp_write_only" }
  load:start { on = a }
  t:figure("tps", load:interval().tps)
  t:note("live: " .. tostring(t:live()) .. tostring(t:disaster_at()))
end) end }
L
expect "a plan stops and starts" 0 'start a again, on its port' "$DRTEST" run "$scratch/again.lua" --on local --plan
(printf '\357\273\277'; cat "$scratch/again.lua") >"$scratch/marked.lua"
expect "a file with an editor's mark" 0 'start a again, on its port' "$DRTEST" run "$scratch/marked.lua" --on local --plan
while IFS='|' read -r place pattern; do
	(printf '\357\273\277'; echo "return { store = '$place', primary = { sql = { host = 'h' } } }") >"$scratch/clusters.lua"
	drtest "a store that is none: $place" 2 "clusters.lua: store: store s3://$pattern" run "$scratch/again.lua" --on attach --clusters "$scratch/clusters.lua" --plan
done <<'T'
s3://bucket/p?endpoint=x|bucket: the endpoint 'x' must be http://host:port
s3://bucket/p?bogus=1|bucket: unknown parameter 'bogus'
s3://b/p|: needs a bucket of 3 to 63 letters
T

expect "a plan has the targets" 0 '^ *check: target: RPO at most 5 s .--max-rpo.$' "$DRTEST" "${planned[@]}" --max-rpo 5s --max-rto 30s
grep -q 'check: target: RTO at most 30 s' "$scratch/out" && ok || bad "no target of RTO in the plan"

# ---- a port that somebody else has: one line, before the first run
python3 -c 'import socket, time; s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(3600)' >"$scratch/port" &
holder=$!
trap 'kill $holder; finish' EXIT
wait_for 20 test -s "$scratch/port"
for at in "$(cat "$scratch/port")" "0.0.0.0:$(cat "$scratch/port")" "[::]:$(cat "$scratch/port")"; do
	for option in --live --metrics; do
		drtest "plan $option $at" 3 "$option: listen on .*: Address already in use" "${planned[@]}" $option "$at"
		drtest "$option $at" 3 "$option: listen on .*: Address already in use" "${failover[@]}" --on local --store file $option "$at"
		drtest "suite $option $at" 3 "^drtest suite: $option: listen on .*: Address already in use" suite nightly --out "$out" $option "$at"
		drtest "sweep $option $at" 3 "^drtest sweep: $option: listen on .*: Address already in use" sweep failover --seeds 1,2 --out "$out" $option "$at"
	done
done
[ -z "$(ls -A "$out" 2>/dev/null)" ] && ok || bad "a mistake left $(ls "$out")"
drtest "a report of nothing" 2 "^drtest report: '': no such run" report ''

# ---- runs, and where something is written
for command in history trend forecast 'gate --rule rto_ms<=30s' 'changes last:1 last:1'; do
	# shellcheck disable=SC2086 # several words
	drtest "$command of a file" 2 "the directory for runs: $scratch/file: Not a directory" $command --out "$scratch/file"
	# shellcheck disable=SC2086
	drtest "$command of no directory" 2 "the directory for runs: $scratch/none: No such file" $command --out "$scratch/none"
done
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$scratch" && mkdir -m 700 "$scratch/locked"
	expect "somebody else's directory" 2 "locked: Permission denied" setpriv --reuid 65534 --regid 65534 --clear-groups "$DRTEST" history --out "$scratch/locked"
	chmod 700 "$scratch"
fi
drtest "a runbook's runs" 2 "--out: the directory for runs: $scratch/none" runbook --clusters examples/tiup-cluster.lua --out "$scratch/none"
expect "a watch's runs" 0 "^note: drtest redo: --out: no rehearsal is reported so far: .*$scratch/none" "$DRTEST" redo watch --once --storage "file://$PWD/tests/fixtures/redo/small/log" --out "$scratch/none"
drtest "a place for a page" 3 "^drtest runbook: create $scratch/none/x: No such file or directory$" runbook --clusters examples/tiup-cluster.lua --output "$scratch/none/x"
drtest "a forecast of no load" 2 "rows-per-s: '0' is not a number above 0" forecast --out "$scratch" --rows-per-s 0
suite() { # NAME PATTERN LUA
	printf '%s\n' "$3" >"$scratch/suite.lua"
	drtest "$1" 2 "$2" suite "$scratch/suite.lua" --plan
}
suite "a suite's field" "suite.lua: an entry of runs has no field 'seed': did you mean 'seeds'" 'return { suite = "x", runs = { { "failover", seed = 1 } } }'
suite "a suite's ground" "'on' is something else .*drtest suite .* -- --on local" 'return { suite = "x", runs = { { "failover", on = "moon" } } }'
suite "a suite's name" "suite.lua: the name 'x y' must be at most 64 letters" 'return { suite = "x y", runs = { { "failover" } } }'
drtest "a suite's line" 2 "^drtest suite: $scratch/file.lua:2: unexpected symbol" suite "$(printf 'return\n{ =' >"$scratch/file.lua"; echo "$scratch/file.lua")"

# ---- a scenario
script() { # NAME EXIT PATTERN BODY
	printf 'local scenario = require "drtest.scenario"\nreturn scenario { name = "mine", run = function(t)\n%s\nend }\n' "$4" >"$scratch/mine.lua"
	drtest "$1" "$2" "$3" run "$scratch/mine.lua" --on local --store file --out "$out"
}
file() { # NAME PATTERN TEXT
	printf '%s\n' "$3" >"$scratch/mine.lua"
	drtest "$1" 2 "$2" run "$scratch/mine.lua" --on local --store file --out "$out"
}
file "a field's name" "mine.lua: scenario: unknown field 'option': did you mean 'options'" 'return require "drtest.scenario" { name = "x", option = {}, run = function() end }'
file "a name with a blank" "mine.lua: scenario: the name 'my drill' must be" 'return require "drtest.scenario" { name = "my drill", run = function() end }'
file "no name" 'mine.lua: scenario needs a name' 'return require "drtest.scenario" { run = function() end }'
option() { file "$1" "mine.lua: scenario: option a: $2" "return require \"drtest.scenario\" { name = \"x\", options = { a = { $3 } }, run = function() end }"; }
option "a field of an option" "unknown field 'maxi': did you mean 'max'" '5, "x", maxi = 3'
option "a default out of its range" 'its default 5 is not from 0 to 3' '5, "x", max = 3'
option "a default that is no choice" "its default 'q' is not among its choices" '"q", "x", choices = { "r" }'
file "a module" "module 'drtest.scenaro' not found:.*did you mean 'drtest.scenario'" 'return require "drtest.scenaro" {}'
file "a file that never returns" 'is this an endless loop' 'while true do end'
script "a check of t.verify" 2 "mine.lua:3: t.verify has no 'smae': did you mean 'same'" 't:check("x", t.verify.smae(1, 2))'
script "a method of t" 2 "mine.lua:3: t has no 'stepp': did you mean 'step'" 't:stepp("x", function() end)'
script "a dot for a colon" 2 'mine.lua:3: step is a method of t: call it with a colon' 't.step("x", function() end)'
script "a method of a cluster, in a late step" 2 "mine.lua:3: a cluster has no 'quarry': did you mean 'query'" \
	't:step("x", function() t:cluster { name = "a" }:quarry("SELECT 1") end)'
script "a dot for a cluster's colon" 2 'mine.lua:3: query is a method of a cluster: call it with a colon' 't:step("x", function() t:cluster { name = "a" }.query("SELECT 1") end)'
script "a method of a load" 2 "a load has no 'strat': did you mean 'start'" 't:load { "oltp_write_only" }:strat()'
script "a method of a store" 2 "a store has no 'uri': did you mean 'url'" 't:store { buckets = { "redo" } }:uri("redo")'
script "a method of a TSO" 2 "a tso has no 'tme': did you mean 'time'" 't.tso("435844546560000001"):tme()'
script "print" 2 "undefined variable 'print' .use t:note" 'print("here")'
[ -z "$(ls -A "$out" 2>/dev/null)" ] && ok || bad "a mistake left $(ls "$out")"
script "a dot where t is not needed" 0 '' 't:check("not on TiDB", not t.on_tidb())'
script "a check without a name" 2 't:check takes a name' 't:check("", true)'
script "a text that is nil" 2 "mine.lua:3: bad argument #1 to 'note' .string expected, got nil" 't:note(nil)'
script "a check's load that is nil" 2 "mine.lua:3: bad argument #1 to 'model' .load expected" 't:check("x", t.verify.model())'
script "what it waits for is no text" 2 "mine.lua:3: bad argument #1 to 'waiting' .string expected, got table" 't:waiting {}'
script "a drill's cluster that is nil" 2 "mine.lua:3: drain: attempt to index local 'cluster'" 'require "drtest.drill".drain(t)'
script "a part of the RTO that nobody shows" 2 "mine.lua:3: t:phase: 'replying' is not one of replay|check|promote" 't:phase "replying"'
script "a ground's ability that is nil" 2 "mine.lua:3: bad argument #1 to 'unsupported' .string expected, got nil" 't:unsupported()'
script "an argument behind the colon" 2 "mine.lua:3: argument 1 of syncpoint must be a feed, not number" 't:step("x", function() t:cluster { name = "a" }:syncpoint(5) end)'
script "a changefeed that is nil" 2 "mine.lua:3: caught_up: attempt to index" 't:caught_up(nil)'
script "a check's cluster that is nil" 2 "mine.lua:3: argument 1 of same must be a cluster, not nil" 't:check("x", t.verify.same(nil, nil))'
script "a load's cluster in quotes" 2 'mine.lua:3: start needs a cluster, not string' 't:load { "bank" }:start { on = "primary" }'
script "a field of a load" 2 'load bank: no option "rates": did you mean "rate"' 't:load { "bank", rates = 5 }'
script "a field of a cluster" 2 "t:cluster: unknown field 'nam': did you mean 'name'" 't:cluster { nam = "a" }'
script "a store of nothing" 2 't:store needs buckets' 't:store()'
script "a figure of no ledger" 2 't:rpo needs a result of t.verify.ledger' 't:rpo()'
script "a program of the machine" 2 'mine.lua:3: there is no os.execute' 'os.execute("ls")'
script "a check without a word" 1 '^      FAILED: no word$' 't:check("no word", false)'
script "memory in one step" 2 'the script holds more than 512 MiB of memory' 'local s = "x" for i = 1, 40 do s = s .. s end'
script "memory without end" 2 'the script holds more than 512 MiB of memory' 'local x = {} for i = 1, 1e9 do x[i] = ("x"):rep(100000) .. i end'
script "two checks of one name" 1 'FAIL 2 checks, 1 failed' 't:step("x", function() t:check("it holds", true) t:check("it holds", false) end)'
grep -q 'name="it holds" ' "$out"/*-mine-*/junit.xml && grep -q 'name="it holds (2)" ' "$out"/*-mine-*/junit.xml && ok || bad "junit.xml has two cases of one name"
script "a wrong statement has its line" 3 "  at $scratch/mine.lua:3" 't:step("x", function() t:cluster { name = "a" }:query("SELEC 1") end)'
nothing_left "mistakes"
