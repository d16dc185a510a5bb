#!/bin/bash
# drtest gameday: a script plays the people. They see that the primary is gone, decide, replay the redo log by their own means, and say so; what they made
# is judged, their times are told. And: people who replay nothing fail, who take a false alarm for a disaster fail, who do nothing run out of time.
. "$(dirname "$0")/lib.sh"
out=$scratch/runs
load=(--set tables=2 --set table_size=300 --set workers=4 --set rate=80)
begin() { # ARGS…: a game day in the background, what is typed through descriptor 9
	rm -f "$scratch/typed" && mkfifo "$scratch/typed"
	"$DRTEST" gameday --on local --store file --out "$out" --seed 7 "${load[@]}" "$@" <"$scratch/typed" >"$scratch/day" 2>&1 &
	day=$!
	exec 9>"$scratch/typed"
	wait_for 90 grep -q 'start a load in its own database  *ok' "$scratch/day" || { bad "no load: $(cat "$scratch/day")"; return 1; }
	data=/var/tmp/drtest-$(basename "$(ls -d "$out"/*/ | tail -n 1)")
	redo=$(grep -o 'redo log [a-z0-9]*:[^ ]*' "$scratch/day" | head -n 1 | cut -d' ' -f3)
}
say() { echo "$*" >&9; }
seconds_of() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["figures"][sys.argv[2]])' "$(ls -d "$out"/*/ | tail -n 1)/result.json" "$1"; }
answers() { mariadb --defaults-file="$data/$1/client.cnf" -e 'SELECT 1' >/dev/null 2>&1; }
gone() { ! answers primary; }
replay() { # what the runbook says
	"$DRTEST" redo apply --storage "$redo" --sink-uri "@$data/secondary/client.uri" >"$scratch/replay" 2>&1
}
ends() { exec 9>&-; wait $day; [ $? = "$1" ] && ok || bad "$2: not exit $1: $(cat "$scratch/day")"; }
told() { grep -Eq -- "$2" "$scratch/day" && ok || bad "$1: no /$2/ in: $(cat "$scratch/day")"; }

# ---- people who know their runbook
if begin --window 3s; then
	say "tea is ready"
	wait_for 60 gone && ok || bad "the primary never died"
	say "The primary does not answer: I look at it"
	say "decided: we fail over, password=hunter2hunter2"
	replay && ok || bad "the replay: $(cat "$scratch/replay")"
	say "service moved to the secondary"
	wait_for 60 grep -q 'service on the secondary, judged  *ok' "$scratch/day" && ok || bad "not judged: $(cat "$scratch/day")"
	say "redundant: a new primary replicates"
	ends 0 "people who know their runbook"
	[ -z "${SHOW:-}" ] || cat "$scratch/day"
	told "the verdict" '^PASS [0-9]+ checks, 0 failed'
	told "what was said before" 'after the begin: tea is ready'
	told "what was said after" '[0-9.]+ s after the disaster: The primary does not answer: I look at it'
	told "RPO" '^RPO  lost [0-9]+ of [0-9]+ acknowledged transactions'
	told "RTO in its parts" '^RTO  [0-9.]+ s to the first write on the secondary \(detect [0-9.]+, replay [0-9.]+, promote [0-9.]+\) . redundant again after'
	told "the team's times" 'first action after [0-9.]+ s, decision after [0-9.]+ s, service after [0-9.]+ s; by drtest alone: not measured'
	grep -rq hunter2hunter2 "$scratch/day" "$out"/*/result.json "$out"/*/report.html && bad "a password that was typed is told" || ok
	[ "$(seconds_of remarks)" = 5 ] && ok || bad "remarks: $(seconds_of remarks)"
fi

# ---- people who move service and replay nothing: what the secondary lacks is found. It lacks what came while it was frozen.
if begin --window 8s --max-rto 1h; then
	frozen=$(pgrep -f -- "--defaults-file=$data/secondary/my.cnf")
	kill -STOP "$frozen" || bad "the secondary is not there: $data"
	wait_for 60 gone
	kill -CONT "$frozen"
	say "service"
	wait_for 60 grep -q 'service on the secondary, judged' "$scratch/day"
	say "done"
	ends 1 "people who replay nothing"
	told "the verdict" '^FAIL '
	told "what is missing" 'FAILED: (nothing up to the replay point is missing|every row is exactly)'
fi

# ---- nobody does anything; nobody is there
if begin --window 1s --limit 2s; then
	ends_at=$day
	wait $ends_at
	[ $? = 1 ] && ok || bad "nobody does anything: $(cat "$scratch/day")"
	exec 9>&-
	told "nobody does anything" 'FAILED: service is back within 2s: nobody (said so|types any more)'
fi
if begin --window 1h; then
	ends 4 "nobody is there any more"
	told "nobody is there any more" 'UNKNOWN: somebody takes part: .*nothing was injected'
fi
if begin --window 1h; then
	say "done"
	wait $day
	[ $? = 4 ] && ok || bad "called off: $(cat "$scratch/day")"
	exec 9>&-
	told "called off" 'called off: nothing was injected'
	grep -q '^RTO' "$scratch/day" && bad "there was a disaster: $(cat "$scratch/day")" || ok
fi
expect "nobody could type" 2 '^drtest gameday: nobody can type' "$DRTEST" gameday --on local --window 1s --out "$out"

# ---- a false alarm
if begin --window 2s --kind nothing; then
	say "I see nothing. All is well?"
	wait $day
	[ $? = 0 ] && ok || bad "a false alarm that nobody takes for one: $(cat "$scratch/day")"
	exec 9>&-
	told "a false alarm" 'a false alarm: nothing happened'
fi
if begin --window 2s --kind nothing; then
	say "service"
	ends 1 "a false alarm that is taken for a disaster"
	told "service was moved for nothing" 'FAILED: nobody fails over without a disaster'
fi

# ---- what is wrong; what is not allowed
expect "no clusters" 2 '^drtest gameday: --clusters FILE is missing' "$DRTEST" gameday
expect "a window that is none" 2 "^drtest: option window: 'soon' is not a duration" "$DRTEST" gameday --on local --window soon --plan
cat >"$scratch/clusters.lua" <<'L'
local function at(port) return { sql = { host = "127.0.0.1", port = port }, pd = "http://127.0.0.1:1" .. port, ticdc = "http://127.0.0.1:2" .. port } end
local primary, secondary = at(1), at(2)
primary.allow = { "write" }
secondary.allow = { "write" }
return { primary = primary, secondary = secondary, redo = "file:///nowhere", changefeed = "live" }
L
expect "a primary that nobody may kill" 2 "primary.*(kill|expendable)" "$DRTEST" gameday --clusters "$scratch/clusters.lua" --plan
nothing_left "game days"

# ---- which TiDB
expect "a version of TiDB" 2 '--tidb-version is only for --on playground' "$DRTEST" gameday --on local --tidb-version v8.5.3 --window 1s --plan
