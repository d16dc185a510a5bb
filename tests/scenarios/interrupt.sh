#!/bin/bash
# Ctrl-C in each step of the failover drill: it says so, exits with 130, leaves a report, and nothing else.
. "$(dirname "$0")/lib.sh"
out=$scratch/runs

# Interrupts a drill in that step; 1: the machine was so busy that the step was over before the signal came.
interrupted_in() { # STEP
	local step=$1 rate=100
	rm -rf "$out"
	: >"$scratch/log" # it is there before tail looks for it
	[ "$step" != 5 ] || rate=0 # as fast as it goes: much to replay, so that the step lasts
	"$DRTEST" run scenarios/failover.lua --out "$out" --set tables=3 --set table_size=2000 --set soak=2s --set rate=$rate >>"$scratch/log" 2>&1 &
	pid=$!
	if [ "$step" = 1 ]; then
		wait_for 20 grep -q '^drtest .* failover' "$scratch/log"
		sleep 0.2
	else
		# told at once: a replay takes a tenth of a second
		grep -m 1 -q "^  $((step - 1)) .* ok " < <(tail -n +1 -f --pid=$pid "$scratch/log" 2>/dev/null)
		[ "$step" = 5 ] || sleep 0.02
	fi
	kill -INT $pid
	wait $pid
	rc=$?
	! grep -Eq "^  $step .* ok " "$scratch/log"
}

for step in 1 2 3 4 5 6; do
	for _ in 1 2 3 4 5 6; do interrupted_in "$step" && break; done
	run=$(find "$out" -mindepth 1 -maxdepth 1 -type d | head -n 1)
	[ $rc = 130 ] && ok || bad "step $step: exit $rc: $(tail -n 4 "$scratch/log")"
	grep -Eq "^  $step .* interrupted" "$scratch/log" && ok || bad "step $step is not the interrupted one: $(cat "$scratch/log")"
	grep -q '^drtest: step .*interrupted' "$scratch/log" && ok || bad "step $step: not said: $(cat "$scratch/log")"
	[ -s "$run/report.html" ] && ok || bad "step $step: no report"
	nothing_left "step $step"
done

# ---- a statement that takes for ever: its server is told, by Ctrl-C and by the run's own time limit
cat >"$scratch/sleepy.lua" <<'L'
return require "drtest.scenario" { name = "sleepy", options = { how = { "sql", "by which function" } }, run = function(t, opt)
  t:step("a statement", function()
    local a = t:cluster { name = "a" }
    t:note "it begins"
    if opt.how == "sql" then a:sql "DO SLEEP(3000)" else a:query "SELECT SLEEP(3000)" end
  end)
end }
L
for how in sql query; do
	"$DRTEST" run "$scratch/sleepy.lua" --on local --out "$out" --set how=$how >"$scratch/log" 2>&1 & pid=$!
	wait_for 60 grep -q 'it begins' "$scratch/log" || bad "$how: $(cat "$scratch/log")"
	kill -INT $pid
	wait $pid
	[ $? = 130 ] && grep -q '^drtest: step .*interrupted' "$scratch/log" && ok || bad "a statement by $how: $(cat "$scratch/log")"
	nothing_left "a statement by $how"
done
# ---- the other ways to end a program; nohup's run outlives its terminal
for signal in TERM QUIT HUP nohup; do
	rm -rf "$out"
	run=("$DRTEST" run "$scratch/sleepy.lua" --on local --store file --out "$out")
	[ $signal != nohup ] || run=(env --ignore-signal=HUP "${run[@]}")
	"${run[@]}" >"$scratch/log" 2>&1 & pid=$!
	wait_for 60 grep -q 'it begins' "$scratch/log" || bad "$signal: $(cat "$scratch/log")"
	[ $signal != nohup ] || { kill -HUP $pid; sleep 0.5; kill -0 $pid && ok || bad "nohup: $(cat "$scratch/log")"; }
	kill -"${signal/nohup/TERM}" $pid
	wait $pid
	[ $? = 130 ] && grep -q '^drtest: step .*interrupted' "$scratch/log" && [ -s "$out"/*/report.html ] && ok || bad "$signal: $(cat "$scratch/log")"
	nothing_left "$signal"
done
# ---- a load of one's own that never comes back: its prepare() alone, or with a pcall around it
for loop in 'while true do end' 'while true do pcall(function() while true do end end) end'; do
	cat >"$scratch/endless.lua" <<L
return { name = "endless", statements = {}, tables = { "e%d(id)" }, event = function(con) con:begin() con:commit() end,
  prepare = function(con, r, table) con:query(("CREATE TABLE e%d (id INT PRIMARY KEY)"):format(table)) $loop end }
L
	cat >"$scratch/useless.lua" <<L
return require "drtest.scenario" { name = "useless", run = function(t)
  t:step("prepare", function()
    local a = t:cluster { name = "a" }
    t:note "it begins"
    t:load { "$scratch/endless.lua" }:prepare { on = a }
  end)
end }
L
	"$DRTEST" run "$scratch/useless.lua" --on local --store file --out "$out" >"$scratch/log" 2>&1 & pid=$!
	wait_for 60 grep -q 'it begins' "$scratch/log" || bad "$loop: $(cat "$scratch/log")"
	sleep 0.5
	kill -INT $pid
	wait $pid
	[ $? = 130 ] && grep -q '^drtest: step .*interrupted' "$scratch/log" && ok || bad "$loop: $(cat "$scratch/log")"
	nothing_left "$loop"
done

expect "a statement beyond the time limit" 3 'the run did not end within 8 s' "$DRTEST" run "$scratch/sleepy.lua" --on local --out "$out" --timeout 8s
