#!/bin/bash
# The runner judges, ends and explains: failing checks, waits that fail, mistakes in a script, deadlines, and what hangs.
. "$(dirname "$0")/lib.sh"
out=$scratch/runs
n=tests/scenarios/negative
run() { "$DRTEST" run "$@" --out "$out"; }
export -f run
export DRTEST out

expect "a failing check" 1 'FAILED: the moon is made of cheese: it is made of rock' bash -c "run $n/fails.lua"
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
expect "a scenario that is not there" 2 'no-such.lua: .*No such file' bash -c "run no-such.lua"
expect "a syntax error with its line" 2 "syntax.lua:3: '}' expected near 'run'" bash -c "run $n/syntax.lua"
expect "an unknown option" 2 "has no option 'tabels': did you mean 'tables'. \(it has .*tables" bash -c "run scenarios/failover.lua --set tabels=3"
expect "an option of the wrong type" 2 "option tables: 'many' is not a whole number" bash -c "run scenarios/failover.lua --set tables=many"
expect "an option that is no duration" 2 "'soon' is no duration" bash -c "run scenarios/failover.lua --set soak=soon"
expect "an option that is none of its choices" 2 "option instant: 'now' is none of busy, any" bash -c "run scenarios/failover.lua --set instant=now"
expect "an option that was meant" 2 "did you mean 'tables'" bash -c "run scenarios/failover.lua --set tabels=3"
expect "an option out of its bounds" 2 'option tables: 0 is not from 1 to 10000' bash -c "run scenarios/failover.lua --set tables=0"
expect "a tool's wrong name" 2 "option replay of every scenario: 'foo' is not stock or both" bash -c "run scenarios/failover.lua --set replay=foo"
expect "tools that are not here" 3 'failover on local can.t start: 3 things' env PATH=/usr/bin:/bin:/usr/sbin:/sbin DRTEST_MINIO="$(command -v true)" HOME=/nonexistent \
	"$DRTEST" run scenarios/failover.lua --on local --store file --set replay=stock --set backup=br --set compare=sync_diff_inspector --out "$out"
expect "a version of nothing" 2 '^drtest run: --version is TiDB' bash -c "run scenarios/failover.lua --on local --version 5.0"
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

# Ctrl-C reaches a loop that never waits; a second one is not needed
"$DRTEST" run $n/endless.lua --out "$out" >"$scratch/log" 2>&1 &
pid=$!
wait_for 10 test -e "$out"/*-endless-42/journal.jsonl.zst
sleep 0.3
kill -INT $pid
wait $pid
[ $? = 130 ] && ok || bad "Ctrl-C in an endless loop: $(cat "$scratch/log")"

# --keep leaves the servers up, and clean takes them down
run=$("$DRTEST" run $n/waits.lua --out "$out" --keep --timeout 2s 2>&1 | sed -n 's/.*their data is in \([^;]*\);.*/\1/p')
kept() { pgrep -f "mariadbd.*$run/" >"$scratch/kept"; }
gone() { ! kept; }
kept && ok || bad "--keep did not keep the server"
expect "clean ends what was kept" 0 "removed $run and [0-9]+ process" "$DRTEST" clean
gone && ok || bad "clean left $(cat "$scratch/kept")"
nothing_left "negative scenarios"
