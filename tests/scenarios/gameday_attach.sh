#!/bin/bash
# A whole game day on clusters that run already (stand-ins, started here as an operator would): the file's own command is the disaster, a script plays the
# people, who replay the changefeed's redo log by `drtest redo apply` and say that the secondary serves.
. "$(dirname "$0")/lib.sh"
live_pair
mkfifo "$scratch/typed"
"$DRTEST" gameday --clusters "$scratch/clusters.lua" --out "$out" --seed 3 --window 3s --set tables=2 --set table_size=200 --set workers=4 --set rate=40 \
	<"$scratch/typed" >"$scratch/day" 2>&1 &
day=$!
exec 9>"$scratch/typed"
wait_for 120 grep -q 'start a load in its own database  *ok' "$scratch/day" && ok || bad "no load: $(cat "$scratch/day")"
alive() { pgrep -f "$TIUP_HOME/data/primary/" >/dev/null; }
gone() { ! alive; }
alive && ok || bad "the primary died before its time: $(cat "$scratch/day")"
wait_for 90 gone && ok || bad "the primary never died: $(cat "$scratch/day")"
echo "the primary does not answer" >&9
echo "decided: we fail over" >&9
"$DRTEST" redo apply --storage "file://$scratch/redo" --sink-uri "mysql://root@127.0.0.1:$((offset + 5000))/" >"$scratch/replay" 2>&1 && ok || bad "the replay: $(cat "$scratch/replay")"
echo "service moved to the secondary" >&9
wait_for 90 grep -q 'service on the secondary, judged  *ok' "$scratch/day" && ok || bad "not judged: $(cat "$scratch/day")"
echo "done" >&9
exec 9>&-
wait $day
[ $? = 0 ] && ok || bad "the day: $(cat "$scratch/day")"
cat "$scratch/day"
grep -Eq '^PASS [0-9]+ checks, 0 failed' "$scratch/day" && ok || bad "no verdict"
grep -Eq '^RPO  lost [0-9]+ of [0-9]+ acknowledged' "$scratch/day" && ok || bad "no RPO"
grep -Eq 'first action after [0-9.]+ s, decision after [0-9.]+ s, service after [0-9.]+ s' "$scratch/day" && ok || bad "no times of the team"
# what was there is as it was: the row of before, and nobody removed the changefeed's log
[ "$(mariadb -h127.0.0.1 -P$((offset + 5000)) -uroot --ssl=0 -BNe 'SELECT COUNT(*) FROM shop.t')" = 1 ] && ok || bad "shop.t of the secondary"
[ -n "$(find "$scratch/redo" -name '*.log')" ] && ok || bad "the redo log is gone"
