#!/bin/bash
# Runs beside each other: suites, history, compare, trend, gate, Prometheus; a history that is locked or damaged spoils no run; what is
# wrong with a suite's file or a rule is said in one line. Scenarios without servers: this is about what comes after a run.
. "$(dirname "$0")/lib.sh"
out=$scratch/runs
if python3 -c 'import yaml' 2>/dev/null; then
	for example in examples/ci/*.yml; do
		expect "the example $example" 0 'commands, [0-9]* steps' tests/ci-examples/play "$example" --check
	done
fi
cat >"$scratch/quick.lua" <<'L'
-- No servers: a check that holds when told to.
local scenario = require "drtest.scenario"
return scenario { name = "quick", options = { holds = { true, "whether the check holds" }, ms = { 100, "a figure" } },
  run = function(t, opt) t:step("check", function() t:figure("work_ms", opt.ms + t:random(10)); t:check("it holds", opt.holds, "as told") end) end }
L
cat >"$scratch/night.lua" <<'L'
-- A quick night.
return { suite = "quick-night", runs = { { "quick", seeds = { 1, 2, 3 }, set = { ms = { 100, 200 } } } }, gate = { "work_ms <= 1.2x", "work_ms max <= 1000" } }
L
quick=("$DRTEST" run "$scratch/quick.lua" --store file --out "$out")

expect "a suite tells its runs" 0 'run .*/quick.lua --seed 3 --set ms=200' "$DRTEST" suite "$scratch/night.lua" --plan
printf 'return { suite = "elsewhere", runs = { { "failover" }, { "quick" } } }\n' >"$scratch/elsewhere.lua"
expect "a suite away from drtest's scenarios finds them" 0 'run .*scenarios/failover.lua --seed 42' "$DRTEST" suite "$scratch/elsewhere.lua" --plan
expect "a suite runs them all" 0 'PASS +report: .*suite.html' "$DRTEST" suite "$scratch/night.lua" --out "$out" -- --store file
suite=$(find "$out" -maxdepth 1 -name '*-suite-quick-night')
for f in suite.html junit.xml suite.json; do [ -s "$suite/$f" ] && ok || bad "no $f"; done
[ "$(grep -c '<testsuite ' "$suite/junit.xml")" = 6 ] && ok || bad "junit.xml has not six suites"
grep -q 'too little history' "$scratch/out" && ok || bad "the gate did not say that it had too little history"
expect "six runs are in the history" 0 'pass +quick +3 ' "$DRTEST" history --out "$out"
[ "$(grep -c ' pass ' "$scratch/out")" = 6 ] && ok || bad "not six runs: $(cat "$scratch/out")"
expect "the history for programs" 0 '"work_ms":1' "$DRTEST" history --out "$out" --json --last 4
[ -s "$out/trend.html" ] && ok || bad "no trend.html"
expect "a part of a suite, two at a time" 0 '2 runs' "$DRTEST" suite "$scratch/night.lua" --out "$scratch/part" -k 'seed 2' --jobs 2 -- --store file
[ "$(grep -c ' pass ' "$scratch/out")" = 2 ] && ok || bad "not the two of seed 2: $(cat "$scratch/out")"
# who looks on: figures and page of the run that goes on, one after the other at one address
port=$(free_port)
cat >"$scratch/slow.lua" <<'L'
-- No servers: it takes a while.
local scenario = require "drtest.scenario"
return scenario { name = "slow", run = function(t) t:step("wait", function() t:figure("work_ms", 1) t:sleep "4s" t:check("it holds", true) end) end }
L
printf 'return { suite = "slow", runs = { { "slow", seeds = { 1, 2 } } } }\n' >"$scratch/slow-night.lua"
looks() { curl -s --noproxy '*' "http://127.0.0.1:$port/$1" | grep -q "$2"; }
"$DRTEST" suite "$scratch/slow-night.lua" --out "$scratch/looked" --metrics "$port" --live "$port" -- --store file >"$scratch/looked.out" 2>&1 &
looked=$!
wait_for 60 looks metrics 'scenario="slow"' && ok || bad "the figures of a suite's run: $(cat "$scratch/looked.out")"
wait_for 60 looks "" 'seed 2' && ok || bad "the page of a suite's second run: $(cat "$scratch/looked.out")"
wait $looked && ok || bad "a suite that is looked on: $(cat "$scratch/looked.out")"
"$DRTEST" sweep "$scratch/slow.lua" --seeds 5 --out "$scratch/looked" --metrics "$port" --store file >"$scratch/looked.out" 2>&1 &
looked=$!
wait_for 60 looks metrics 'scenario="slow"' && ok || bad "the figures of a sweep's run: $(cat "$scratch/looked.out")"
wait $looked && ok || bad "a sweep that is looked on: $(cat "$scratch/looked.out")"
for command in "suite $scratch/slow-night.lua" "sweep $scratch/slow.lua --seeds 1..2"; do
	expect "$command: two at a time" 2 'show one run at a time; remove --jobs' "$DRTEST" $command --jobs 2 --metrics 9464
	expect "$command: any port" 2 'each run would use another port: give one' "$DRTEST" $command --metrics 0
	expect "$command: no address" 2 "live" "$DRTEST" $command --live 'no address'
done
expect "no part of a suite" 2 "no run has 'nothing' in its title" "$DRTEST" suite "$scratch/night.lua" -k nothing
printf 'return { suite = "broken-gate", runs = { { "quick" } }, gate = { "work_ms <= 5" } }\n' >"$scratch/gate.lua"
expect "a gate alone is broken" 1 'FAIL from the gate: no run failed' "$DRTEST" suite "$scratch/gate.lua" --out "$scratch/part" -- --store file
for i in 4 5 6; do "${quick[@]}" --seed $i --folder-file "$scratch/folder" >/dev/null 2>&1; done
[ -f "$(cat "$scratch/folder")/report.html" ] && ok || bad "--folder-file names no run folder"
expect "the gate holds" 0 '^holds +work_ms median' "$DRTEST" gate --out "$out" --rule 'work_ms <= 1.2x'
expect "the gate's own limit" 1 '^BROKEN +work_ms' "$DRTEST" gate --out "$out" --rule 'work_ms <= 50ms'
expect "too little history is told" 4 'too little history' "$DRTEST" gate --out "$out" --rule 'work_ms <= 1.2x' --baseline last:2 --scenario quick --min 50 --last 2 --any-options
"${quick[@]}" --set holds=false >/dev/null 2>&1
expect "a run that failed breaks the gate" 1 'did not pass: its verdict is fail' "$DRTEST" gate --out "$out" --rule 'work_ms <= 1.2x' --allow-unknown
expect "compare" 0 'work_ms .*p = ' "$DRTEST" changes --out "$out" --all last:3 last:3
expect "compare two folders" 0 'holds +true -> false|holds +false -> true|same|%' "$DRTEST" changes --all "$(cat "$scratch/folder")" "$(find "$out" -maxdepth 1 -name '*quick-42')"
expect "compare within a scenario" 2 "no run of scenario 'failover' .*runs of quick" "$DRTEST" changes --out "$out" --scenario failover last:1 last:1
expect "options in which runs differ" 0 'quick .* ms=200' "$DRTEST" history --out "$out"
expect "no such verdict" 2 "'foo' is not one of pass, fail" "$DRTEST" history --out "$out" --verdict foo
expect "no such scenario" 2 "no run of scenario 'nosuch'" "$DRTEST" history --out "$out" --scenario nosuch
expect "no such scenario in the trend" 2 "no run of scenario 'nosuch'" "$DRTEST" trend --out "$out" --scenario nosuch
expect "trend" 0 'trend.html: 10 runs' "$DRTEST" trend --out "$out"
expect "a forecast from runs without a replay" 2 'have an RTO with a replay, but a forecast needs 5' "$DRTEST" forecast --out "$out"
expect "a forecast without runs" 2 'nowhere: No such file or directory .run something first' "$DRTEST" forecast --out "$scratch/nowhere"
expect "a forecast of no such scenario" 2 "no run of scenario 'nosuch'" "$DRTEST" forecast --out "$out" --scenario nosuch
expect "Prometheus' text" 0 '' "$DRTEST" report --prometheus "$scratch/p.prom" "$(cat "$scratch/folder")"
grep -Eq '^drtest_run_start_timestamp_seconds.* 1[0-9]{9}(\.[0-9]{1,3})?$' "$scratch/p.prom" && ok || bad "the start is not told to the millisecond: $(grep start_time "$scratch/p.prom")"
grep -q '^drtest_passed{scenario="quick",ground="local"} 1$' "$scratch/p.prom" && ok || bad "p.prom: $(cat "$scratch/p.prom")"

# the history never spoils a run
head -c 5000 /dev/urandom >"$out/history.db"
expect "a damaged history: the run passes" 0 'PASS' "${quick[@]}" --seed 7
grep -q 'not in the history' "$scratch/out" && ok || bad "nothing was said of the damaged history: $(cat "$scratch/out")"
expect "a damaged history is told" 3 'history --rebuild' "$DRTEST" history --out "$out"
expect "and made again" 0 ': 11 runs' "$DRTEST" history --out "$out" --rebuild
rm -f "$out/history.db"
mkdir "$out/history.db"
expect "no database can be there: the run passes" 0 'PASS' "${quick[@]}" --seed 9
rmdir "$out/history.db"

# what is wrong is said in one line
expect "no such suite" 2 '^drtest suite: suite .*nothing.lua: No such file' "$DRTEST" suite "$scratch/nothing.lua"
expect "a suite is no scenario" 2 '^drtest run: .* is a suite: drtest suite' "$DRTEST" run "$scratch/night.lua"
expect "a scenario is no suite" 2 '^drtest suite: .* is a scenario: drtest run ' "$DRTEST" suite "$scratch/quick.lua"
bad_suite() { printf '%s\n' "$2" >"$scratch/bad.lua"; expect "$1" 2 "^drtest suite: .*$3" "$DRTEST" suite "$scratch/bad.lua"; }
bad_suite "an unknown field" 'return { suite = "x", runs = { { "quick" } }, gates = {} }' "field 'gates'"
bad_suite "no runs" 'return { suite = "x", runs = {} }' 'has no run'
bad_suite "a bad rule" 'return { suite = "x", runs = { { "quick" } }, gate = { "rpo_ms" } }' "rule 'rpo_ms'"
bad_suite "a bad seed" 'return { suite = "x", runs = { { "quick", seeds = { "a" } } } }' "seed 'a'"
bad_suite "too many" 'local s = {} for i = 1, 100 do s[i] = i end return { suite = "x", runs = { { "quick", seeds = s, set = { a = s } } } }' 'more than 1,000'
bad_suite "no end" 'while true do end' 'does not finish'
bad_suite "reaches out" 'os.execute("touch /tmp/never")' 'nil value'
expect "a bad rule of the gate" 2 "^drtest gate: --rule: rule 'rto'" "$DRTEST" gate --rule rto
expect "a limit in time for a figure without" 2 "its limit is a time" "$DRTEST" gate --rule 'rto <= 30s'
expect "an option that was meant" 2 '^drtest run: unknown option --sed: did you mean --seed' "$DRTEST" run --sed 3 failover
expect "a command that was meant" 2 "^drtest: unknown command 'histroy': did you mean 'history'" "$DRTEST" histroy
expect "a scenario as a command" 2 "is a scenario: drtest run failover" "$DRTEST" failover
expect "no such side" 2 '^drtest changes: ' "$DRTEST" changes "$scratch/none" "$scratch/none"
