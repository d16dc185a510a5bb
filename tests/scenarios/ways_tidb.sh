#!/bin/bash
# Ways back that TiDB alone has, on stand-ins that answer as the real tools were recorded to: flashback, syncpoints, br's log backup. Each
# way from one state, judged by the same checks; what can't be gone is told by one line, and nothing is changed by it.
. "$(dirname "$0")/lib.sh"
command -v mariadbd >/dev/null || { skipped=1; passed=1; echo "skipped: mariadbd is not installed"; exit 0; }
chmod 755 "$scratch"
export TIUP_HOME=$scratch/tiup PATH=$PWD/tests/standins:$PATH DRTEST
mkdir -p "$TIUP_HOME/bin"
echo '{}' >"$TIUP_HOME/bin/root.json"
LIMIT=170
out=$scratch/runs
run=("$DRTEST" run --out "$out" --store file --on playground --tidb-version v8.5.7)
# field EXPRESSION: of the newest run's result.json
field() { python3 -c "import json,sys,glob,os; r=json.load(open(max(glob.glob('$out/*/result.json'), key=os.path.getmtime))); w={x['name']:x for x in r['ways']['ways']}; print($1)"; }
# way NAME EXPRESSION: of that way it is true
way() { [ "$(field "(lambda x: $2)(w[\"$1\"])")" = True ] && ok || bad "$1: not $2: $(field "w[\"$1\"]")"; }

expect "a dead primary" 0 '^Take: ' "${run[@]}" scenarios/ways_back.lua --seed 2 --set tables=2 --set table_size=100 --set workers=4 --set rate=40 --set soak=1s
[ -z "${SHOW:-}" ] || cat "$scratch/out"
way "redo log" "x['state'] == 'pass' and x['lost'] == r['rpo']['lost']"
way "redo log, by cdc redo apply" "x['state'] == 'pass' and x['lost'] == r['rpo']['lost'] and x['wrong'] == 0"
way "last syncpoint and flashback" "x['state'] == 'pass' and x['wrong'] == 0 and x['lost'] >= r['rpo']['lost']"
way "full backup and log backup" "x['state'] == 'pass' and x['wrong'] == 0 and x['seconds'] > 0"
way "full backup and redo log" "x['state'] in ('closed', 'pass')"
way "the primary's own disk" "x['state'] == 'closed'"
nothing_left "ways back on TiDB"

small=(--seed 1 --set soak=500ms --set found=1s --set tables=3 --set table_size=100 --set workers=4 --set rate=40)
expect "a truncate under load" 0 '^Take: ' "${run[@]}" scenarios/human_error.lua --set statement=truncate "${small[@]}"
[ -z "${SHOW:-}" ] || cat "$scratch/out"
way "point-in-time recovery" "x['state'] == 'pass' and x['wrong'] == 0"
way "stale read, merged" "x['state'] in ('partial', 'pass') and x['lost'] == 0"
way "FLASHBACK TABLE, merged" "x['state'] in ('partial', 'pass') and x['lost'] == 0"
way "FLASHBACK CLUSTER" "x['state'] == 'pass' and x['lost'] == w['point-in-time recovery']['lost']"
expect "a database that is dropped" 0 'FLASHBACK DATABASE +PASS +0 of' "${run[@]}" scenarios/human_error.lua --set statement=drop_database "${small[@]}"
expect "a table that is dropped" 0 'FLASHBACK TABLE +PASS +0 of' "${run[@]}" scenarios/human_error.lua --set statement=drop "${small[@]}"
expect "a delete is no DDL" 0 'it undoes a DROP or a TRUNCATE, but this was a DELETE is none' "${run[@]}" scenarios/human_error.lua --set statement=delete "${small[@]}"
nothing_left "a wrong statement on TiDB"

# ---- bad input: one line each, and nothing is changed by it
script() { # NAME LINES: a scenario with two clusters a and b, a backup of a, and a log backup from behind it on
	cat >"$scratch/$1.lua" <<L
-- A test of TiDB's ways back.
return require "drtest.scenario" { name = "$1", run = function(t)
  local store, a, b, backup
  local function refused(what, f)
    local done, why = t:attempt(f)
    t:check("refused: " .. what, not done and why:find(what, 1, true) ~= nil and not why:find("\\n", 1, true), tostring(why))
  end
  t:step("s", function()
    store = t:store { buckets = { "backup", "redo" } }
    a, b = t:clusters({ name = "a" }, { name = "b", ticdc = 0 })
    a:sql "CREATE DATABASE x"
    a:sql "CREATE TABLE x.t (id INT PRIMARY KEY)"
    a:sql "INSERT INTO x.t VALUES (1), (2)"
    backup = a:backup(store:url "backup/x")
    $2
  end)
end }
L
}
script bad '
    refused("no log backup with the name drtest is running", function() a:log_checkpoint() end)
    refused("this prefix has no full backup or no log backup", function() b:restore_point { full = backup, log = store:url "backup/log" } end)
    refused("TiKV requires a flush" , function() a:log_backup(store:url "backup/log", { flush = "5s" }) end)'
expect "a flush that TiKV refuses" 2 'TiKV requires a flush of at least "11s"' "${run[@]}" "$scratch/bad.lua"
script bad '
    refused("no log backup with the name drtest is running", function() a:log_checkpoint() end)
    refused("this prefix has no full backup or no log backup", function() b:restore_point { full = backup, log = store:url "backup/log" } end)
    a:sql "DELETE FROM x.t WHERE id = 99"
    a:sql "INSERT INTO x.t VALUES (99)"
    a:sql "DELETE FROM x.t WHERE id = 99"
    a:log_backup(store:url "backup/log", { flush = "11s" })
    refused("a cluster can have one task", function() a:log_backup(store:url "backup/again") end)
    refused("the full backup is older than the log backup", function() b:restore_point { full = backup, log = store:url "backup/log" } end)
    local young = a:backup(store:url "backup/young")
    local before = a:current_tso()
    a:sql "INSERT INTO x.t VALUES (3)"
    local ahead = t.tso "999999999999999999"
    refused("has not reached the full backup, or that point", function() b:restore_point { full = young, log = store:url "backup/log", ["until"] = ahead } end)
    refused("that point is in the future", function() a:flashback_cluster(ahead) end)
    refused("garbage collection has passed that point", function() a:flashback_cluster(t.tso "262144") end)
    refused("syncpoint", function() b:syncpoint "f" end)
    t:check("nothing of that changed anything", #a:query "SELECT * FROM x.t" == 3)
    local drops = a:current_tso()
    a:sql "DROP TABLE x.t"
    a:flashback_cluster(drops)
    t:check("a table that was dropped is there again", #a:query "SELECT * FROM x.t" == 3)
    a:flashback_cluster(before)
    t:check("and all as it was", #a:query "SELECT * FROM x.t" == 2)
    refused("dropped", function() a:sql "FLASHBACK TABLE x.never" end)
    refused("dropped database", function() a:sql "FLASHBACK DATABASE never" end)'
expect "points that are not there, logs that are none" 0 '^PASS' "${run[@]}" "$scratch/bad.lua"
grep FAILED "$scratch/out"
script lags '
    a:log_backup(store:url "backup/log")
    a:sql "INSERT INTO x.t VALUES (7)"
    b:restore_point { full = a:backup(store:url "backup/young"), log = store:url "backup/log" }'
STANDIN_FAULTS=log-lags expect "a log that has not been flushed since the full backup" 3 'checkpoint has not reached the full backup' "${run[@]}" "$scratch/lags.lua"
script nouri 'a:log_backup()'
expect "a log backup to nowhere" 2 'log_backup needs the URI of a prefix' "${run[@]}" "$scratch/nouri.lua" --plan
script u 'a:flashback_cluster(backup.ts)'
expect "flashback where there is none" 3 "MariaDB cannot go back in place" "$DRTEST" run --store file --on local "$scratch/u.lua" --plan
script u 'b:restore_point { full = backup, log = store:url "backup/log" }'
expect "restore point where there is none" 3 'on MariaDB, use restore and roll_forward' "$DRTEST" run --store file --on local "$scratch/u.lua" --plan
script u 'b:restore_point { full = backup }'
expect "a log that is not named" 2 'restore_point { full = a backup, log = a log backup' "${run[@]}" "$scratch/u.lua" --plan
nothing_left "bad points"

# ---- both sides written
LIMIT=170 expect "both sides are written, on TiDB" 0 '^PASS' "${run[@]}" scenarios/bdr.lua --seed 3 --set table_size=100 --set keys=10 --set soak=1s
[ -z "${SHOW:-}" ] || cat "$scratch/out"
grep -q '3 keys, each side has the other side' "$scratch/out" && ok || bad "no conflicts are told: $(cat "$scratch/out")"
nothing_left "both sides written"
# ---- several secondaries
expect "two secondaries of one TiDB cluster" 0 '^PASS' "${run[@]}" scenarios/secondaries.lua --seed 1 --set table_size=100 --set workers=4 --set rate=40 --set soak=1s
[ -z "${SHOW:-}" ] || cat "$scratch/out"
STANDIN_FAULTS=older=secondary-2 expect "secondaries of different versions" 2 \
	'secondary-2 runs 8.0.11-TiDB-v7.5.0-standin, the primary .*: secondaries with different versions cannot replace each other' "${run[@]}" scenarios/secondaries.lua
nothing_left "several secondaries"
# ---- pairs of TSOs
expect "both clusters compared while they serve" 0 '^PASS' "${run[@]}" scenarios/syncpoint.lua --seed 1 --set table_size=100 --set workers=4 --set rate=40
[ -z "${SHOW:-}" ] || cat "$scratch/out"
