#!/bin/bash
# A whole game day on clusters that run already (stand-ins, started here as an operator would): the file's own command is the disaster, a script plays the
# people, who replay the changefeed's redo log by `drtest redo apply` and say that the secondary serves.
. "$(dirname "$0")/lib.sh"
attached_pair
cat >"$scratch/clusters.lua" <<L
$at_lua
local primary, secondary = at($offset), at($((offset + 1000)))
primary.expendable = true
primary.commands = { kill = { "$scratch/kill", "primary" } }
secondary.allow = { "restore", "write" }
return { primary = primary, secondary = secondary, store = "file://$scratch/store", redo = "file://$scratch/redo", changefeed = "live" }
L
cat >"$scratch/setup.lua" <<L
local scenario = require "drtest.scenario"
return scenario { name = "setup", run = function(t)
  t:step("set up", function()
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    primary:sql "CREATE DATABASE shop"
    primary:sql "CREATE TABLE shop.t (id INT PRIMARY KEY)"
    primary:sql "INSERT INTO shop.t VALUES (1)"
    local backup = primary:backup(t:store { buckets = { "backup" } }:url "backup/first")
    secondary:restore(backup)
    primary:changefeed { id = "live", sink = secondary, start_ts = backup.ts, redo = "file://$scratch/redo" }
    t:check("it runs", true)
  end)
end }
L
LIMIT=90 expect "a pair is set up" 0 'PASS' "$DRTEST" run "$scratch/setup.lua" --on attach --clusters "$scratch/clusters.lua" --out "$out" --keep
mkfifo "$scratch/typed"
"$DRTEST" gameday --clusters "$scratch/clusters.lua" --out "$out" --seed 3 --window 3s --set tables=2 --set table_size=200 --set workers=4 --set rate=40 \
	<"$scratch/typed" >"$scratch/day" 2>&1 &
day=$!
exec 9>"$scratch/typed"
wait_for 120 grep -q 'a load in a database of its own  *ok' "$scratch/day" && ok || bad "no load: $(cat "$scratch/day")"
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
