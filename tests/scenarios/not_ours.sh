#!/bin/bash
# What is somebody else's on clusters that stay (stand-ins) is as it was, however a run ends: garbage collection that its owner had switched off, or that another run
# wants off; a changefeed of the id that a run wanted; a cluster that the clusters file has come to mean since; a cluster that runs and refuses the login.
. "$(dirname "$0")/lib.sh"
attached_pair
staying_pair_file
scenario() { # NAME LINES…: with a, the primary, and b
	cat >"$scratch/$1.lua" <<L
local scenario = require "drtest.scenario"
return scenario { name = "$1", options = { stay = { "10m", "how long" } }, run = function(t, opt)
  t:step("$1", function()
    local store = t:store { buckets = { "backup", "redo" } }
    local a, b = t:clusters({ name = "primary" }, { name = "secondary" })
    $2
    t:check("it went on", true)
  end)
end }
L
}
on() { mariadb --no-defaults -h127.0.0.1 -P$((offset + $1 + 4000)) -uroot --ssl=0 -BNe "$2" 2>&1; }
with=(--on attach --clusters "$scratch/clusters.lua" --out "$out")
held=("$DRTEST" run "$scratch/held.lua" "${with[@]}")
clean() { timeout "$(patience 60)" "$DRTEST" clean --clusters "$scratch/clusters.lua" >"$scratch/cleaned" 2>&1 </dev/null; }
gc() { [ "$(on 0 'SELECT @@tidb_gc_enable')" = "$1" ] && ok || bad "$2: tidb_gc_enable is $(on 0 'SELECT @@tidb_gc_enable')"; }
on_is() { [ "$(on 0 'SELECT @@tidb_gc_enable')" = "$1" ]; }
gc_is_noted() { [ "$(grep -l '^gc' "$DRTEST_UNDO"/* 2>/dev/null | wc -l)" = "$1" ]; }
guardian_ended() { ! pgrep -x drtest-guardian | while read -r p; do grep -sxz "DRTEST_UNDO=$DRTEST_UNDO" "/proc/$p/environ"; done | grep -qa .; }
scenario held 'a:set_gc(false) b:sql "CREATE DATABASE IF NOT EXISTS mark" t:sleep(opt.stay) a:set_gc(true)'

# ---- another run wants it off: the last of both switches it on, also where the first was killed
"${held[@]}" >"$scratch/first" 2>&1 </dev/null & first=$!
wait_for 60 gc_is_noted 1 || bad "the first run: $(cat "$scratch/first")"
expect "a second run beside it" 0 '^PASS' "${held[@]}" --set stay=1ms
gc 0 "a second run has ended, the first wants it off"
"${held[@]}" >"$scratch/second" 2>&1 </dev/null & second=$!
wait_for 60 gc_is_noted 2 || bad "the second run: $(cat "$scratch/second")"
kill -9 $first
wait $first 2>/dev/null
wait_for 60 gc_is_noted 1 || bad "nobody saw to the killed run's note"
gc 0 "the first run was killed, the second wants it off"
kill -INT $second
wait $second
gc 1 "the last run has ended"

# ---- both are killed: it is on again, whoever comes last
"${held[@]}" >"$scratch/first" 2>&1 </dev/null & first=$!
"${held[@]}" >"$scratch/second" 2>&1 </dev/null & second=$!
wait_for 60 gc_is_noted 2 || bad "two runs: $(cat "$scratch/first" "$scratch/second")"
wait_for 60 on_is 0 || bad "two runs: garbage collection is not off"
kill -9 $first $second
wait $first $second 2>/dev/null
wait_for 60 gc_is_noted 0 || bad "nobody saw to the killed runs' notes"
gc 1 "both runs were killed"

# ---- its owner had switched it off
on 0 'SET GLOBAL tidb_gc_enable = OFF'
on 1000 'DROP DATABASE mark'
"${held[@]}" >"$scratch/first" 2>&1 </dev/null & first=$!
is_off_for_it() { on 1000 'SHOW DATABASES' | grep -qx mark; }
wait_for 60 is_off_for_it
kill -9 $first
wait $first 2>/dev/null
wait_for 60 guardian_ended
clean
gc 0 "its owner had switched it off, and the run was killed"
on 0 'SET GLOBAL tidb_gc_enable = ON'

# ---- a changefeed of that id is there: neither paused nor removed
scenario feeds 'a:changefeed { id = "theirs", sink = b, start_ts = a:current_tso(), redo = store:url "redo/x" }'
PYTHONPATH=tests/standins python3 -B -c 'import common, sys; common.http_json("POST", "http://127.0.0.1:%s/api/v2/changefeeds" % sys.argv[1], {"changefeed_id": "theirs",
	"sink_uri": "mysql://root@127.0.0.1:%s/" % sys.argv[2]})' $((offset + 8300)) $((offset + 5000))
feeds() { PYTHONPATH=tests/standins python3 -B -c 'import common, sys; print(" ".join(f["id"] + ":" + f["state"] for f in common.http_json("GET", "http://127.0.0.1:%s/api/v2/changefeeds" % sys.argv[1])["items"]))' $((offset + 8300)); }
expect "a changefeed of that id" 3 'primary has a changefeed theirs already, which this run did not create' "$DRTEST" run "$scratch/feeds.lua" "${with[@]}"
clean
[ "$(feeds)" = theirs:normal ] && ok || bad "somebody's changefeed: $(feeds): $(cat "$scratch/cleaned")"

# ---- the file leads to another cluster now
scenario loads 't:load { "oltp_write_only", tables = 1, table_size = 10, db = "drtest_load" }:prepare { on = a }'
expect "tables of a load" 0 'things left on your clusters' "$DRTEST" run "$scratch/loads.lua" "${with[@]}"
cp "$scratch/clusters.lua" "$scratch/first.lua"
on 1000 'CREATE DATABASE IF NOT EXISTS drtest_load; CREATE TABLE IF NOT EXISTS drtest_load.sbtest1 (id INT PRIMARY KEY)'
sed -i "s/at($offset), at($((offset + 1000)))/at($((offset + 1000))), at($offset)/; s/^secondary.allow.*/secondary.allow = { \"write\" }/" "$scratch/clusters.lua"
clean && bad "another cluster's tables were removed: $(cat "$scratch/cleaned")" || ok
grep -q "that run's primary was cluster [0-9]*, and cluster [0-9]* is what the clusters file leads to now" "$scratch/cleaned" && ok || bad "another cluster: $(cat "$scratch/cleaned")"
[ -n "$(on 1000 "SHOW TABLES IN drtest_load LIKE 'sbtest1'")" ] && ok || bad "another cluster's table was dropped"
cp "$scratch/first.lua" "$scratch/clusters.lua"
clean && [ -z "$(on 0 "SHOW DATABASES LIKE 'drtest_load'")" ] && ok || bad "the cluster itself: $(cat "$scratch/cleaned")"

# ---- a cluster that runs and refuses the login is neither started nor destroyed
cat >"$scratch/clusters.lua" <<L
$at_lua
local primary = at($offset)
primary.sql.password = "wrong"
primary.expendable = true
primary.commands = { start = { "touch", "$scratch/started" }, destroy = { "touch", "$scratch/destroyed" } }
return { primary = primary, secondary = at($((offset + 1000))), store = "file://$scratch/store" }
L
chmod 600 "$scratch/clusters.lua"
scenario looks 'a:position()'
expect "a login that is refused" 3 'start primary: .*Access denied' "$DRTEST" run "$scratch/looks.lua" "${with[@]}"
[ ! -e "$scratch/started" ] && [ ! -e "$scratch/destroyed" ] && ok || bad "a cluster that refuses the login was started, or destroyed: $(ls "$scratch")"

# ---- what could not be put back is told, and stays noted
staying_pair_file
rm -rf "${out:?}"
"${held[@]}" --set stay=8s >"$scratch/first" 2>&1 </dev/null & first=$!
wait_for 60 gc_is_noted 1
"$scratch/kill" primary
wait $first && bad "it passed without its primary" || ok
grep -q 'garbage collection, which could not be put back' "$out"/*/result.json && gc_is_noted 1 && ok || bad "what could not be put back: $(cat "$scratch/first")"
