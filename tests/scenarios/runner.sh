#!/bin/bash
# The runner judges, ends and explains: failing checks, waits that fail, mistakes in a script, deadlines, and what hangs.
. "$(dirname "$0")/lib.sh"
out=$scratch/runs
n=tests/scenarios/negative
run() { "$DRTEST" run "$@" --out "$out"; }
export -f run
export DRTEST out

expect "a failing check" 1 'FAILED: the moon is made of cheese: it is made of rock' bash -c "run $n/fails.lua"
# in GitHub Actions: an annotation for each check that did not pass, a summary; nothing elsewhere
grep -q '^::' "$scratch/out" && bad "annotations where nobody reads them" || ok
expect "an annotation" 1 '^::error title=drtest fails seed 42::the moon is made of cheese: it is made of rock$' \
	env GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY="$scratch/summary.md" bash -c "run $n/fails.lua"
grep -q '^### FAIL fails on local, seed 42$' "$scratch/summary.md" && grep -q '^| FAIL | the moon is made of cheese | it is made of rock |$' "$scratch/summary.md" &&
	ok || bad "the summary: $(cat "$scratch/summary.md")"
last=$(find "$out" -maxdepth 1 -name '*-fails-*' | sort | tail -n 1)
expect "a badge and Markdown" 0 '' "$DRTEST" report "$last" --badge "$scratch/badge.svg" --markdown "$scratch/run.md"
grep -q 'aria-label="drtest: fail"' "$scratch/badge.svg" && cmp -s "$scratch/summary.md" "$scratch/run.md" && ok || bad "the badge, or the Markdown"
expect "the steps after a failed check run" 1 '2 go on +ok' bash -c "run $n/fails.lua"
expect "no check at all" 4 'UNKNOWN 0 checks' bash -c "run $n/no_check.lua"
expect "a wait that fails is a failed check" 1 'FAILED: pigs fly: not within 300ms' bash -c "run $n/never.lua"
grep -q 'unreached' "$scratch/out" && bad "the run went on after a failed wait" || ok
expect "a mistake in the script" 2 "script_error.lua:3: attempt to index" bash -c "run $n/script_error.lua"
grep -q '  at .*script_error.lua:6$' "$scratch/out" && ok || bad "no traceback in $(cat "$scratch/out")"
expect "a check of a moving target" 2 'verify.same: load oltp_write_only writes to a: stop it first' bash -c "run $n/moving_target.lua"
expect "bytes that are no text" 1 'FAIL 1 check, 1 failed' bash -c "run $n/bytes.lua"
expect "a global" 2 "global.lua:4: undefined variable 'counter'" bash -c "run $n/global.lua"
expect "a script reaches no files" 2 "undefined variable 'io'" bash -c "run $n/no_files.lua"
for s in double_disaster $(grep -lE 't:link \{[^}]*store|(kill|pause) = store' scenarios/*.lua); do
	expect "a store that is no server: $s" 3 "store: a directory .--store file. cannot be killed or disconnected" "$DRTEST" run "$s" --on local --store file --out "$out"
done
expect "a mistyped scenario" 2 "no scenario 'failovr': did you mean 'failover'" "$DRTEST" run failovr
expect "a mistyped suite" 2 "no suite 'nightli': did you mean 'nightly'" "$DRTEST" suite nightli
expect "a scenario that is not there" 2 'no-such.lua: .*No such file' bash -c "run no-such.lua"
expect "a syntax error with its line" 2 "syntax.lua:3: '}' expected near 'run'" bash -c "run $n/syntax.lua"
expect "an unknown option" 2 "has no option 'tabels': did you mean 'tables'. \(options: .*tables" bash -c "run scenarios/failover.lua --set tabels=3"
expect "an option of the wrong type" 2 "option tables: 'many' is not a whole number" bash -c "run scenarios/failover.lua --set tables=many"
expect "an option that is no duration" 2 "'soon' is not a duration" bash -c "run scenarios/failover.lua --set soak=soon"
expect "an option that is none of its choices" 2 "option instant: 'now' is not one of busy, any" bash -c "run scenarios/failover.lua --set instant=now"
expect "an option that was meant" 2 "did you mean 'tables'" bash -c "run scenarios/failover.lua --set tabels=3"
expect "an option out of its bounds" 2 'option tables: 0 is not from 1 to 10000' bash -c "run scenarios/failover.lua --set tables=0"
expect "a tool's wrong name" 2 "option replay of every scenario: 'foo' is not stock or both" bash -c "run scenarios/failover.lua --set replay=foo"
expect "tools that are not here" 3 'failover on local cannot start: 3 things' env PATH=/usr/bin:/bin:/usr/sbin:/sbin DRTEST_MINIO="$(command -v true)" HOME=/nonexistent \
	"$DRTEST" run scenarios/failover.lua --on local --store file --set replay=stock --set backup=br --set compare=sync_diff_inspector --out "$out"
expect "a version of nothing" 2 '^drtest run: --tidb-version is only for --on playground' bash -c "run scenarios/failover.lua --on local --tidb-version 5.0"
printf 'local scenario = require "drtest.scenario"\nreturn scenario { name = "typo", options = { soak = { "1s", "x" } }, run = function(t, opt) t:sleep(opt.sok) end }\n' >"$scratch/typo.lua"
expect "a typo in the scenario's option" 2 "undefined option 'opt.sok'" bash -c "run $scratch/typo.lua --store file"
[ -e "$out"/*-failover-42 ] && bad "a wrong option left a run folder" || ok
expect "an unknown ground" 2 'ground' bash -c "run scenarios/failover.lua --on moon"
expect "a seed that is no number" 2 'seed' bash -c "run scenarios/failover.lua --seed x"
expect "a deadline for an endless loop" 3 'did not end within 1 s' bash -c "run $n/endless.lua --timeout 1s"
expect "a deadline while a server hangs" 3 'did not end within 2 s' bash -c "run $n/hanging_child.lua --timeout 2s"
expect "the plan does nothing" 0 'SIGKILL to every process of primary' bash -c "run scenarios/failover.lua --plan"
expect "scenarios are listed" 0 'failover.lua' "$DRTEST" list
expect "doctor" 0 'a drill can run' "$DRTEST" doctor
for command in run list doctor clean report diff redo load feed backup restore; do
	expect "help of $command" 0 "usage: *drtest $command" "$DRTEST" "$command" --help
done

# a machine that stood still itself: what is promised in seconds is not known then, and never failed
cat >"$scratch/slow.lua" <<'L'
-- Waits for what never comes.
local scenario = require "drtest.scenario"
return scenario { name = "slow", run = function(t) t:step("wait", function() t:sleep "2s" t:eventually("it comes", "3s", function() return false end) end) end }
L
"$DRTEST" run "$scratch/slow.lua" --store file --out "$out" >"$scratch/log" 2>&1 &
pid=$!
wait_for 20 grep -q "^drtest .* slow " "$scratch/log"
sleep 0.5; kill -STOP $pid; sleep 2; kill -CONT $pid
wait $pid
[ $? = 4 ] && grep -q 'UNKNOWN: it comes: not within 3s; this machine was too slow' "$scratch/log" && ok || bad "a slow machine: $(cat "$scratch/log")"

# targets
cat >"$scratch/target.lua" <<'L'
-- A disaster on paper.
local scenario = require "drtest.scenario"
return scenario { name = "target", run = function(t) t:step("count", function()
  t:rpo { verdict = "pass", lost = 3, acked = 90, window_ms = 1500, resolved_behind_ms = 1600 } t:check("it counts", true)
end) end }
L
target=("$DRTEST" run "$scratch/target.lua" --store file --out "$out")
expect "a target that is met" 0 'PASS 3 checks' "${target[@]}" --max-rpo 2s --max-rpo 3tx
grep -q '^note' "$scratch/out" && bad "a count with its unit is explained" || ok
expect "a window too wide" 1 'FAILED: target: RPO at most 1 s \(--max-rpo\): lost 3 of 90 .*1.50 s before the disaster' "${target[@]}" --max-rpo 1s
expect "too many lost" 1 'FAILED: target: at most 2 lost acknowledged transactions' "${target[@]}" --max-rpo 2
grep -q '^note: --max-rpo 2: at most 2 lost transactions; write 2tx, or 2s ' "$scratch/out" && ok || bad "a bare number is not explained"
expect "a target that was not measured" 4 'UNKNOWN: target: RTO at most 30 s .*not measured' "${target[@]}" --max-rto 30s
expect "no target" 2 "max-rto: 'soon' is not a time" "${target[@]}" --max-rto soon

# a scenario works through t: no C library, no file but those beside it, no bytecode
sandbox() { # NAME LUA PATTERN
	printf 'local got = %s\nerror("got " .. tostring(got))\n' "$2" >"$scratch/sandbox.lua"
	expect "sandbox: $1" 2 "$3" "$DRTEST" run "$scratch/sandbox.lua" --plan
}
sandbox "C libraries" 'package.loadlib' 'got nil'
sandbox "ffi" 'select(2, pcall(require, "ffi"))' "got module 'ffi' not found"
sandbox "another folder" 'select(2, pcall(require, "../x"))' 'a file next to the scenario cannot have the name'
sandbox "bytecode" 'select(2, load("\27LJ"))' 'must be Lua source, not bytecode'
sandbox "text" 'load("return 6 * 7")()' 'got 42'

# Ctrl-C reaches a loop that never waits; a second one is not needed
"$DRTEST" run $n/endless.lua --out "$out" >"$scratch/log" 2>&1 &
pid=$!
wait_for 10 grep -q "^drtest .* endless " "$scratch/log"
sleep 0.3
kill -INT $pid
wait $pid
[ $? = 130 ] && ok || bad "Ctrl-C in an endless loop: $(cat "$scratch/log")"

# --keep leaves the servers up, and clean takes them down
run=$("$DRTEST" run $n/waits.lua --out "$out" --keep --timeout 2s 2>&1 | sed -n 's/.*with their data in \([^;]*\);.*/\1/p')
kept() { pgrep -f "mariadbd.*$run/" >"$scratch/kept"; }
gone() { ! kept; }
kept && ok || bad "--keep did not keep the server"
expect "clean ends what was kept" 0 "removed $run and [0-9]+ process" "$DRTEST" clean
gone && ok || bad "clean left $(cat "$scratch/kept")"
nothing_left "negative scenarios"
