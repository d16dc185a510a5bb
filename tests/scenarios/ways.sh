#!/bin/bash
# Ways back, side by side: a wrong statement undone in each way that the ground has, the table and its advice in every report; what can't be gone is told by
# one line.
. "$(dirname "$0")/lib.sh"
LIMIT=180
out=$scratch/runs
run=("$DRTEST" run --out "$out" --store file)
small=(--set soak=500ms --set found=1s --set tables=3 --set table_size=100 --set workers=4)
# field EXPRESSION: of the newest run's result.json
field() { python3 -c "import json,sys,glob,os; r=json.load(open(max(glob.glob('$out/*/result.json'), key=os.path.getmtime))); w={x['name']:x for x in r['ways']['ways']}; print($1)"; }
# way NAME EXPRESSION: of that way it is true
way() { [ "$(field "(lambda x: $2)(w[\"$1\"])")" = True ] && ok || bad "$1: not $2: $(field "w[\"$1\"]")"; }

expect "a delete under load" 0 '^Take: recovered table, merged' "${run[@]}" scenarios/human_error.lua --seed 1 --set statement=delete "${small[@]}"
way "point-in-time recovery" "x['state'] == 'pass' and x['lost'] > 0 and x['wrong'] == 0 and x['seconds'] > 0"
way "recovered table, merged" "x['state'] == 'partial' and x['lost'] == 0 and x['wrong'] > 0"
way "transaction reversed" "x['state'] == 'closed' and 'written since' in x['evidence']"
[ "$(field "r['ways']['advised']")" = "recovered table, merged" ] && ok || bad "advised: $(field "r['ways']")"
expect "a delete of a quiet table" 0 '^> transaction reversed +PASS +0 of' "${run[@]}" scenarios/human_error.lua --seed 1 --set statement=delete --set hits=quiet \
	"${small[@]}"
expect "an update" 0 'recovered table, merged +partial' "${run[@]}" scenarios/human_error.lua --seed 1 --set statement=update "${small[@]}"
expect "a table that is dropped, and a secondary that is held back" 0 "the secondary's lag +PASS" \
	"${run[@]}" scenarios/human_error.lua --seed 1 --set statement=drop --set held=on "${small[@]}"
way "transaction reversed" "x['state'] == 'closed' and 'DDL' in x['evidence']"
way "recovered table, merged" "x['state'] == 'pass' and x['lost'] == 0 and x['wrong'] == 0"
grep -q '<section id="ways">' "$out"/*/report.html && ok || bad "report.html has no table of ways"
expect "a statement that is none of them" 2 "statement: 'grant' is not one of any, delete" "${run[@]}" scenarios/human_error.lua --set statement=grant
expect "the plan tells each way" 0 'mariadb-binlog --flashback' "${run[@]}" scenarios/human_error.lua --plan

expect "a dead primary" 0 '^Take: ' "${run[@]}" scenarios/ways_back.lua --seed 2 --set disk=whole --set tables=2 --set table_size=100 --set workers=4 --set soak=1s
way "redo log" "x['state'] == 'pass' and x['lost'] == r['rpo']['lost']"
way "full backup and log backup" "x['state'] == 'pass' and x['wrong'] == 0 and x['seconds'] > 0"
way "the primary's own disk" "x['state'] == 'pass' and x['lost'] == 0"
way "secondary as it is" "x['state'] in ('pass', 'fail') and (x['state'] == 'pass') == (r['figures']['torn'] == 0)"
way "full backup and redo log" "x['state'] in ('closed', 'pass')"
[ "$(field "w[r['ways']['advised']]['lost'] == 0")" = True ] && ok || bad "advised: $(field "r['ways']")"

# several secondaries: the one that is behind takes the newest one's log, and follows it without a full copy
figure() { python3 -c "import json,glob,os; print(json.load(open(max(glob.glob('$out/*/result.json'), key=os.path.getmtime)))['figures']['$1'])"; }
expect "two secondaries, one of them behind" 0 '^PASS' "${run[@]}" scenarios/secondaries.lua --seed 1 --set table_size=100 --set workers=4 --set soak=1s
newest=$(figure newest) # the slow link is the sink's: whose redo log ends last is chance
[ "$(figure full_copies)" = 0 ] && grep -q "$newest is newest" "$scratch/out" && grep -q "secondary-$((3 - ${newest##*-})) by the newest one's log" "$scratch/out" && ok ||
	bad "secondaries: $(cat "$scratch/out")"
expect "three of them, none behind" 0 '^PASS' "${run[@]}" scenarios/secondaries.lua --seed 2 --set secondaries=3 --set behind=0s --set table_size=100 --set workers=4 \
	--set soak=1s
expect "one secondary is none to choose from" 2 'secondaries: 1 is not from 2 to 3' "${run[@]}" scenarios/secondaries.lua --set secondaries=1
expect "two rounds of a planned switch" 0 'moves, at most .* without a write' "${run[@]}" scenarios/switchover.lua --seed 1 --set rounds=2 --set table_size=100 --set soak=500ms
[ "$(figure moves)" = 4 ] && ok || bad "moves: $(figure moves)"

# bad input: one line each, and nothing is changed
script() { # NAME LINES: a scenario with two clusters a and b, and a backup of a
	cat >"$scratch/$1.lua" <<L
-- A test of ways back.
return require "drtest.scenario" { name = "$1", run = function(t)
  local store, a, b, backup
  local function refused(what, f)
    local done, why = t:attempt(f)
    t:check("refused: " .. what, not done and why:find(what, 1, true) ~= nil, tostring(why))
  end
  t:step("s", function()
    store = t:store { buckets = { "backup", "redo" } }
    a, b = t:clusters({ name = "a" }, { name = "b" })
    a:sql "CREATE DATABASE x"
    a:sql "CREATE TABLE x.t (id INT PRIMARY KEY, v VARBINARY(9), b BIT(3), g INT AS (id + 1), n VARCHAR(9) CHARACTER SET latin1 NULL)"
    a:sql "INSERT INTO x.t (id, v, b, n) VALUES (1, x'00FF27', b'101', 'ä'), (2, x'', 0, NULL)"
    backup = a:backup(store:url "backup/x")
    $2
  end)
end }
L
}
usage() { script u "$2"; expect "$1" 2 "$3" "${run[@]}" "$scratch/u.lua" --plan; }
script bad '
    b:restore(backup)
    local rows, first = a:commit "INSERT INTO x.t (id) VALUES (3)"
    t:check("one row, after the backup", rows == 1 and backup.ts < first)
    local _, last = a:commit "INSERT INTO x.t (id) VALUES (4)"
    refused("committed nothing", function() a:commit "DELETE FROM x.t WHERE id = 99" end)
    t:check("nothing was done", #b:query "SELECT * FROM x.t" == 2)
    t:check("up to just before the second", b:roll_forward { of = a, from = backup.ts, ["until"] = last:before() } == 1 and
      b:query("SELECT MAX(id) FROM x.t")[1][1] == "3")
    b:flashback { of = a, at = first }
    t:check("and the first taken back", #b:query "SELECT * FROM x.t" == 2)
    refused("1032", function() b:flashback { of = a, at = first } end)
    local _, ddl = a:commit "ALTER TABLE x.t ADD COLUMN z INT"
    refused("a binary log cannot reverse a DDL (DROP, TRUNCATE)", function() b:flashback { of = a, at = ddl } end)
    refused("table x.u does not exist", function() b:copy_table { from = a, table = "x.u", as = "x.w" } end)
    refused("already exists", function() b:copy_table { from = a, table = "x.t", as = "x.t" } end)
    t:check("four rows copied", b:copy_table { from = a, table = "x.t", as = "x.w" } == 4)
    t:check("each as it was", b:query("SELECT GROUP_CONCAT(CONCAT_WS(0x2C, id, HEX(v), b + 0, g, HEX(n)) ORDER BY id SEPARATOR 0x3B) FROM x.w")[1][1] ==
      "1,00FF27,5,2,E4;2,,0,3;3,4;4,5", b:query("SELECT GROUP_CONCAT(CONCAT_WS(0x2C, id, HEX(v), b + 0, g, HEX(n)) ORDER BY id SEPARATOR 0x3B) FROM x.w")[1][1])
    a:sql "FLUSH BINARY LOGS"
    a:sql "INSERT INTO x.t (id) VALUES (5)"
    a:sql(("PURGE BINARY LOGS TO \x27%s\x27"):format(a:query("SHOW BINARY LOGS")[2][1]))
    local c = t:cluster { name = "c" }
    c:restore(backup)
    refused("they were purged", function() c:roll_forward { of = a, from = backup.ts, ["until"] = a:current_tso() } end)
    t:check("and c is as it was", #c:query "SELECT * FROM x.t" == 2)
    a:stop()
    refused("copy_table", function() b:copy_table { from = a, table = "x.t", as = "x.v" } end)'
expect "bad points, tables, logs" 0 '^PASS' "${run[@]}" "$scratch/bad.lua"
script before 'local _, first = a:commit "INSERT INTO x.t (id) VALUES (3)"
    b:roll_forward { of = a, from = first, ["until"] = backup.ts }'
expect "a point before the backup" 2 'is before the backup, [0-9]+: use an older backup or a later point' "${run[@]}" "$scratch/before.lua"
script nolog 'a:stop()
    b:restore(backup)
    b:roll_forward { of = a, from = backup.ts, archived = true }'
expect "a recovery from a log that nobody backed up" 2 'a has no log backup, and no point was given: start one before' "${run[@]}" "$scratch/nolog.lua"
script twice 'a:log_backup()
    a:log_backup()'
expect "a second log backup" 2 "a's binary logs are already being streamed" "${run[@]}" "$scratch/twice.lua"
expect "syncpoints where nothing can be read in the past" 3 "cannot read old versions of data; use a backup and the binary log" "${run[@]}" scenarios/syncpoint.lua
script cdc 'b:restore(backup)
    refused("writes no syncpoints (enable-sync-point)", function() b:syncpoint "f" end)
    b:sql "CREATE DATABASE tidb_cdc"
    b:sql "CREATE TABLE tidb_cdc.syncpoint_v1 (changefeed VARCHAR(99), primary_ts VARCHAR(18), secondary_ts VARCHAR(18))"
    refused("has no syncpoint of f", function() b:syncpoint "f" end)
    b:sql "INSERT INTO tidb_cdc.syncpoint_v1 VALUES (\x27default/f\x27, \x27431434047157698561\x27, \x27431434047157698570\x27), (\x27default/f\x27, \x2799\x27, \x2798\x27), (\x27g\x27, \x27x\x27, \x27y\x27)"
    local p = b:syncpoint "f"
    t:check("the newest pair", tostring(p.primary) == "431434047157698561" and tostring(p.secondary) == "431434047157698570")
    refused("has invalid TSOs", function() b:syncpoint "g" end)
    refused("syncpoints, which only TiCDC", function()
      a:changefeed { id = "f", sink = b, start_ts = backup.ts, redo = store:url "redo/f", syncpoint = "30s" }
    end)'
expect "syncpoints that are not there, and pairs that are none" 0 '^PASS' "${run[@]}" "$scratch/cdc.lua"
usage "syncpoints closer than TiCDC takes" 'a:changefeed { id = "f", sink = b, start_ts = backup.ts, redo = "", syncpoint = "1s" }' 'TiCDC requires a syncpoint of at least'
script nothing 'b:flashback { of = a, at = t.tso "1000000000000000000" }'
expect "a transaction that is none" 2 'a committed no transaction at 1000000000000000000' "${run[@]}" "$scratch/nothing.lua"
script until '
    b:restore(backup)
    local feed = a:changefeed { id = "f", sink = b, start_ts = backup.ts, redo = store:url "redo/f" }
    local _, at = a:commit "INSERT INTO x.t (id) VALUES (3)"
    t:wait_until("it arrives", "60s", function() return feed:status().checkpoint_ts >= at end)
    t:kill(a, "changefeed")
    b:apply_redo(store:url "redo/f", { ["until"] = backup.ts })'
expect "a point that the log has passed" 2 'the log can be replayed to points from' "${run[@]}" "$scratch/until.lua"
usage "a way without a check" 't:way { name = "w", steps = {}, needs = "x" }' 'needs a check, or why it is closed'
usage "a way of two kinds" 't:way { name = "w", steps = {}, needs = "x", check = {}, closed = "y", seconds = 1 }' 'needs a check, or why it is closed'
usage "a way without a time" 't:way { name = "w", steps = {}, needs = "x", check = {} }' 'needs seconds, from its start'
usage "a way that is misspelt" 't:way { name = "w", stesp = {} }' "t:way has no 'stesp': did you mean 'steps'"
usage "advice without a way" 't:advise()' 'there is no t:way'
usage "no table's name" 'b:copy_table { from = a, table = "t", as = "x.t" }' 'table = "db.table"'
script u 'b:copy_table { from = a, table = "x.t", as = "x.u", at = backup.ts }'
expect "a table of the past" 3 "cannot read old versions of data; use a backup and the binary log" "${run[@]}" "$scratch/u.lua" --plan
# both sides written: what one changefeed brought is not carried back by the other, and conflicts are found
expect "both sides are written" 0 '^PASS' "${run[@]}" scenarios/bdr.lua --seed 3 --set table_size=100 --set keys=10 --set soak=1s
grep -q '3 keys, each side has the other side' "$scratch/out" && [ "$(figure conflicts)" = 3 ] && ok || bad "conflicts: $(cat "$scratch/out")"
