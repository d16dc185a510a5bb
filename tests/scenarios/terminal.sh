#!/bin/bash
# What a person sees while a run goes on: live figures below the step on a terminal, within its width; what stays is whole; no colors under NO_COLOR; plain lines
# where there is no terminal; the summary fits 24 lines; hostile text does nothing to the terminal.
. "$(dirname "$0")/lib.sh"
out=$scratch/runs
cat >"$scratch/quiet.lua" <<'L'
-- No servers: it waits, so that there is something to watch.
local scenario = require "drtest.scenario"
return scenario { name = "quiet", run = function(t)
  t:step("wait with a name that is long, very long, and goes on until it would not fit a line", function() t:sleep "2200ms" return ("evidence "):rep(40) end)
  t:step("hostile \27]0;owned\7\27[2J\155", function() t:note("a note \27[31mred") t:check("it \27[1mholds", true, "\27[5mblink") end)
end }
L
command -v script >/dev/null || { echo "skipped: script (bsdutils) is not here"; exit 77; }
on_terminal() { # COLUMNS ENVIRONMENT
	script -qec "stty cols $1 rows 24; env $2 TERM=xterm $DRTEST run $scratch/quiet.lua --store file --out $out" /dev/null </dev/null >"$scratch/tty" 2>&1
}
bare() { sed 's/\x1b\[[0-9;]*[A-Za-z]//g; s/\r/\n/g' "$scratch/tty"; }

on_terminal 72 NO_COLOR=1
grep -q $'\x1b\\[J' "$scratch/tty" && ok || bad "no live line on a terminal"
bare | grep -a -q ' s left' && ok || bad "the live line does not tell the time left: $(bare)"
! grep -q $'\x1b\\[[0-9;]*m' "$scratch/tty" && ok || bad "colors in spite of NO_COLOR"
! bare | grep -a ' \.\.\. ' | grep -aqE '^.{73,}' && ok || bad "a live line is wider than the terminal: $(bare | grep -a -E '^.{73,}')"
[ "$(bare | grep -ao 'evidence' | wc -l)" -ge 40 ] && ok || bad "what stays on the terminal is cut: $(bare)"
! bare | grep -a evidence | grep -aqE '^.{73,}' && ok || bad "the terminal has to break a line: $(bare | grep -a -E '^.{73,}')"
! grep -q $'\x1b\\]0\|\x1b\\[2J\|\x1b\\[5m' "$scratch/tty" && ok || bad "a script's escapes reach the terminal"
[ "$(bare | grep -a -v ' \.\.\. ' | grep -a -vc '^ *$')" -le 24 ] && ok || bad "more than 24 lines"
for columns in 50 80; do
	on_terminal $columns NO_COLOR=1
	# a live line that wraps is never written over: each second would leave one behind
	wide=$(bare | grep -av 'report: /' | grep -aE "^.{$((columns + 1)),}") # a path stays whole, to be copied
	[ -z "$wide" ] && ok || bad "$columns columns: a line is wider: $wide"
	script -qec "stty cols $columns rows 24; NO_COLOR=1 TERM=xterm $DRTEST report $(find "$out" -mindepth 1 -maxdepth 1 -type d | head -n 1)" /dev/null </dev/null >"$scratch/report" 2>&1
	wide=$(tr -d '\r' <"$scratch/report" | grep -av 'report: /' | grep -aE "^.{$((columns + 1)),}")
	[ -z "$wide" ] && ok || bad "$columns columns: a line of the summary is wider: $wide"
	bare | grep -aq '^PASS 1 check, 0 failed' && ok || bad "$columns columns: no verdict: $(bare)"
done
script -qec "stty cols 40 rows 24; $DRTEST run --help" /dev/null </dev/null >"$scratch/help" 2>&1
wide=$(tr -d '\r' <"$scratch/help" | grep -aE '^.{41,}')
[ -z "$wide" ] && grep -q '^  --max-rto TIME' "$scratch/help" && ok || bad "40 columns: a line of the help is wider: $wide"
for command in "list" "run $scratch/quiet.lua --store file --out $out"; do # a reader who has seen enough is no failure; a full disk is one
	# shellcheck disable=SC2086
	"$DRTEST" $command 2>"$scratch/err" | head -n 1 >/dev/null
	[ "${PIPESTATUS[0]}" = 0 ] && [ ! -s "$scratch/err" ] && ok || bad "$command | head -n 1: $(cat "$scratch/err")"
done
# what was closed is no place for a file that is opened, and what is lost is told once
expect "all of it closed" 3 '' bash -c "$DRTEST run $scratch/quiet.lua --store file --out $out <&- >&- 2>&-"
expect "a full disk gets JSON" 3 '^drtest: --json: print .*No space left' bash -c "$DRTEST run $scratch/quiet.lua --store file --out $out --json >/dev/full"
[ "$(wc -l <"$scratch/out")" = 1 ] && ok || bad "more than one line: $(cat "$scratch/out")"
expect "no browser" 3 "^drtest report: --open: no browser could be started: open .*/report.html in one$" env -u DISPLAY -u WAYLAND_DISPLAY BROWSER=false PATH="$scratch/bin:$PATH" \
	bash -c "mkdir -p $scratch/bin; printf '#!/bin/sh\necho xdg-open: lynx: not found >&2; exit 3\n' >$scratch/bin/xdg-open; chmod +x $scratch/bin/xdg-open
		$DRTEST report --open \$(find $out -name '*-quiet-42' | head -n 1)"
expect "no /proc" 3 '^drtest: /proc is not mounted: mount' unshare -rm sh -c "mount -t tmpfs none /proc && exec $DRTEST list"
# a command that draws nothing lets nothing through; where there is no terminal, data stays as it is
mkdir "$scratch/others"
printf -- '-- It \33]0;owned\7says \302\2335m much.\nreturn require "drtest.scenario" { name = "theirs", run = function(t) end }\n' >"$scratch/others/theirs.lua"
script -qec "TERM=xterm $DRTEST list $scratch/others" /dev/null </dev/null >"$scratch/list" 2>&1
grep -aq 'It ?\]0;owned?says' "$scratch/list" && ! grep -aq $'\x1b\|\x07\|\xc2\x9b' "$scratch/list" && ok || bad "escapes of a foreign file reach the terminal: $(cat -v "$scratch/list")"
"$DRTEST" list "$scratch/others" | grep -aq $'It \x1b\]0;owned' && ok || bad "a pipe gets other data"
on_terminal 100 NO_COLOR=
grep -q $'\x1b\\[32m' "$scratch/tty" && ok || bad "no colors on a terminal"
bare | grep -aqE '^ {40}ok  ' && ok || bad "a long name pushes its status out of the column: $(bare)"
expect "plain lines elsewhere" 0 '^ +1 wait with a name' "$DRTEST" run "$scratch/quiet.lua" --store file --out "$out"
! grep -q $'\x1b' "$scratch/out" && ok || bad "escapes where there is no terminal"
run=$(find "$out" -mindepth 1 -maxdepth 1 -type d | head -n 1)
expect "the summary" 0 'PASS 1 check' "$DRTEST" report "$run"
[ "$(wc -l <"$scratch/out")" -le 24 ] && ok || bad "the summary has more than 24 lines"
[ "$(grep -o evidence "$scratch/out" | wc -l)" = 40 ] && ok || bad "a pipe gets a cut line: $(cat "$scratch/out")"
for command in list "chaos list"; do
	# shellcheck disable=SC2086
	script -qec "stty cols 80 rows 24; $DRTEST $command" /dev/null </dev/null | tr -d '\r' >"$scratch/wrapped"
	! grep -aqE '^.{81,}' "$scratch/wrapped" && ok || bad "$command: wider than the terminal: $(grep -aE '^.{81,}' "$scratch/wrapped")"
	# shellcheck disable=SC2086
	! "$DRTEST" $command | grep -q ' $' && ok || bad "$command: trailing blanks"
done
