#!/bin/bash
# kill -9 of drtest at seeded instants of a drill on clusters that stay (stand-ins): its guardian puts back what was changed, `drtest clean --clusters` removes what
# is left, and what is others' there stays as it was. KILLS=50 for the long proof.
. "$(dirname "$0")/lib.sh"
attached_pair
staying_pair_file
cat >"$scratch/drill.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "pair", run = function(t)
  t:step("pair", function()
    local store = t:store { buckets = { "backup", "redo" } }
    local a, b = t:clusters({ name = "primary" }, { name = "secondary" })
    local load = t:load { "oltp_write_only", tables = 2, table_size = 200, workers = 2, rate = 40, db = "drtest_load" }
    load:prepare { on = a }
    load:start { on = a }
    a:set_gc(false)
    local full = a:backup(store:url "backup/full")
    b:restore(full)
    local feed = a:changefeed { id = "mine", sink = b, start_ts = full.ts, redo = store:url "redo/mine" }
    a:set_gc(true)
    t:sleep "5s"
    load:stop()
    t:check("it went on", true)
  end)
end }
L
on() { mariadb --no-defaults -h127.0.0.1 -P$((offset + $1 + 4000)) -uroot --ssl=0 -BNe "$2" 2>&1; }
feeds() { PYTHONPATH=tests/standins python3 -B -c 'import common, sys; print(" ".join(f["id"] + ":" + f["state"] for f in common.http_json("GET", "http://127.0.0.1:%s/api/v2/changefeeds" % sys.argv[1])["items"]))' $((offset + 8300)); }
on 0 "CREATE DATABASE precious; CREATE TABLE precious.t (id INT PRIMARY KEY); INSERT INTO precious.t VALUES (7); CREATE USER drtest_cdc_theirs@'%'"
on 1000 "CREATE USER drtest_cdc_theirs@'%'"
run=("$DRTEST" run "$scratch/drill.lua" --on attach --clusters "$scratch/clusters.lua" --out "$out")
# whole, once: how long it takes
begun=$EPOCHREALTIME
LIMIT=120 expect "the drill" 0 '^PASS' "${run[@]}"
took=$(awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
left() { # NAME: nothing but what is others'
	[ "$(on 0 'SELECT @@tidb_gc_enable')" = 1 ] && ok || bad "$1: garbage collection is off"
	for at in 0 1000; do
		users=$(on $at "SELECT GROUP_CONCAT(User) FROM mysql.user WHERE User LIKE 'drtest%'")
		[ "$users" = drtest_cdc_theirs ] && ok || bad "$1: at $at are the users $users"
	done
	[ "$(on 0 'SELECT COUNT(*) FROM precious.t')" = 1 ] && ok || bad "$1: somebody's table: $(on 0 'SHOW DATABASES')"
	dbs=$(on 0 'SHOW DATABASES' | grep -Evi '^(information_schema|performance_schema|mysql|sys|test|precious|metrics_schema)$')$(on 1000 'SHOW DATABASES' | grep -Evi '^(information_schema|performance_schema|mysql|sys|test|metrics_schema|drtest_feed)$') # the stand-in of TiCDC keeps its books in drtest_feed
	[ -z "$dbs" ] && ok || bad "$1: databases are left: $dbs"
	[ -z "$(feeds)" ] && ok || bad "$1: changefeeds are left: $(feeds)"
	[ -z "$(find "$scratch/store" -type f)" ] && ok || bad "$1: objects are left: $(find "$scratch/store" -type f | head -n 3)"
}
clean() { timeout "$(patience 60)" "$DRTEST" clean --clusters "$scratch/clusters.lua"; }
# names that others have used since: a note of three days ago tells nothing of tables of today
cp -r "$DRTEST_UNDO" "$scratch/notes"
find "$DRTEST_UNDO" -type f -exec touch -d '3 days ago' {} +
clean >"$scratch/cleaned" 2>&1 && bad "others' tables were removed: $(cat "$scratch/cleaned")" || ok
grep -q 'made a day or more after that run' "$scratch/cleaned" && [ -n "$(on 0 "SHOW DATABASES LIKE 'drtest_load'")" ] && ok || bad "others' tables: $(cat "$scratch/cleaned")"
cp -r "$scratch/notes/." "$DRTEST_UNDO"
# beside a note of three days ago that of today's run: today's tables are that run's
for note in "$scratch"/notes/*; do
	cp "$note" "$DRTEST_UNDO/0-${note##*/}"
	touch -d '3 days ago' "$DRTEST_UNDO/0-${note##*/}"
done
# one that a run which lives has noted too is not removed
exec 9<"$DRTEST_UNDO/$(cd "$scratch/notes" && grep -l '^left database' -- * | head -n 1)"
flock -s 9
clean >"$scratch/cleaned" 2>&1 && bad "a living run's database was removed: $(cat "$scratch/cleaned")" || ok
grep -q 'a run that has not ended uses it as well' "$scratch/cleaned" && ok || bad "a living run's database: $(cat "$scratch/cleaned")"
exec 9<&-
clean >"$scratch/cleaned" 2>&1 && ok || bad "clean: $(cat "$scratch/cleaned")"
left "after a whole drill"
for i in $(seq "${KILLS:-2}"); do
	at=$(awk -v i="$i" -v n="${KILLS:-2}" -v t="$took" -v s="${SEED:-1}" 'BEGIN { srand(s * 1000 + i); print t * (i - rand()) / n }')
	"${run[@]}" >"$scratch/out" 2>&1 </dev/null & pid=$!
	sleep "$at"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	# its guardian, which works off what may not wait, has ended; others' go on
	guardian() {
		local p
		for p in $(pgrep -x drtest-guardian); do
			grep -qsxz "DRTEST_UNDO=$DRTEST_UNDO" "/proc/$p/environ" && return 1
		done
		return 0
	}
	wait_for 60 guardian
	tail -n 1 "$scratch/out"
	clean >"$scratch/cleaned" 2>&1 || bad "clean after $at s: $(cat "$scratch/cleaned")"
	left "killed after $at s of $took ($(tail -n 1 "$scratch/out" | cut -c1-60))"
done
