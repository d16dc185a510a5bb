#!/bin/bash
# The names of the version before, in scenarios and on the command line: each still works, and one note tells what it is called now.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
LIMIT=180
out=$scratch/runs
cat >"$scratch/before.lua" <<'L'
-- Every name of the version before.
return require "drtest.scenario" { name = "before", run = function(t)
  t:step("old names", function()
    local store = t:store { buckets = { "backup", "redo" } }
    local a, b = t:clusters({ name = "a" }, { name = "b" })
    local load = t:load { "append", workers = 2, rate = 50, tables = 1, table_size = 10 }
    load:prepare { on = a }
    t:check("its TSO", tostring(a:now()) ~= "")
    t:check("its tables without a key", type(a:left_out()) == "string")
    local backup = a:backup(store:url "backup/full")
    b:restore(backup)
    local feed = a:changefeed { id = "f", sink = b, start_ts = backup.ts, redo = store:url "redo/log", flush = "1s", meta = "100ms" }
    load:start { on = a }
    t:in_step(feed)
    t:settled(feed)
    t:sleep(t:patience "1s")
    t:check("a number", t:draw(3) < 3)
    t:check("no flashback is lacking", t:lacks "take_back" == nil)
    t:check("no br", not t.by_the_guide() and not t.on_tidb())
    t:check("nobody types", select(2, t:typed()))
    t:check("what happened", load:window() ~= nil)
    t:disaster { kill = a }
    load:lost()
    local process = t:replay_process(b, store:url "redo/log")
    t:check("the replay", t:wait_process(process, "60s"))
    local replay = b:apply_redo(store:url "redo/log")
    local held = t.verify.hold(b, load)
    t:check("the ledger", t.verify.ledger(load, b, { of = a, point = replay.point, held = held }))
    held:release()
    t:check("what was read", t.verify.history(load, b, { of = a, point = replay.point }))
  end)
  t:step("a fault and a flashback", function()
    local c, d = t:clusters({ name = "c" }, { name = "d" })
    c:sql "CREATE DATABASE x"
    c:sql "CREATE TABLE x.t (id INT PRIMARY KEY)"
    d:restore(c:backup("file://" .. os.getenv "BEFORE"))
    local _, at = c:commit "INSERT INTO x.t VALUES (1)"
    d:sql "INSERT INTO x.t VALUES (1)"
    d:take_back { of = c, at = at }
    t:check("it is gone", d:query "SELECT COUNT(*) FROM x.t"[1][1] == "0")
    t:fault { hole = t:link { "load", c } }:heal()
  end)
end }
L
mkdir "$scratch/backup"
BEFORE=$scratch/backup expect "a scenario in the words of the version before" 0 '^PASS' "$DRTEST" run "$scratch/before.lua" --on local --seed 3 --out "$out"
cat "$scratch/out"
for name in 't:in_step is now t:caught_up' 't:settled is now t:redo_caught_up' 't:patience is now t:timeout' 't:draw is now t:random' \
	't:lacks is now t:unsupported' 't:by_the_guide is now t:uses_br' 't:typed is now t:read_line' 't:replay_process is now cluster:start_replay' \
	't:wait_process is now process:wait' 't.verify.hold is now t.verify.snapshot' 't.verify.history is now t.verify.isolation' \
	"t.verify.ledger's held is now snapshot" 'cluster:now is now cluster:current_tso' 'cluster:left_out is now cluster:ineligible_tables' \
	'cluster:take_back is now cluster:flashback' "changefeed's flush is now flush_interval" "changefeed's meta is now meta_flush_interval" \
	'load:lost is now load:wait_disconnected' 'load:window is now load:interval' 'the fault hole is now black_hole'; do
	n=$(grep -c "note: $name; the next version removes the old name" "$scratch/out")
	[ "$n" = 1 ] && ok || bad "'$name' is told $n times"
done

# ---- the command line
# was COMMAND OLD NOW ARGUMENTS…: the note comes, and what follows is the command's own doing.
was() {
	local command=$1 old=$2 now=$3
	shift 3
	echo quit | timeout "$(patience 60)" "$DRTEST" "$@" >"$scratch/out" 2>&1
	[ "$(grep -c "^note: drtest $command: --$old is now --$now; the next version removes the old name" "$scratch/out")" = 1 ] && ok || bad "$* : $(head -n 3 "$scratch/out")"
	grep -q 'no option' "$scratch/out" && bad "$* : $(cat "$scratch/out")"
}
log=file://$PWD/tests/fixtures/redo/small/log
was run version tidb-version run scenarios/failover.lua --on playground --version v8.5.3 --plan
was backup from source-uri backup --from mysql://root@127.0.0.1:1 --storage "file://$scratch/none"
was backup threads workers backup --source-uri mysql://root@127.0.0.1:1 --storage "file://$scratch/none" --threads 2
was restore to target-uri restore --to mysql://root@127.0.0.1:1 --storage "file://$scratch/none"
was restore threads workers restore --target-uri mysql://root@127.0.0.1:1 --storage "file://$scratch/none" --threads=2
was diff threads workers diff --a mysql://root@127.0.0.1:1 --b mysql://root@127.0.0.1:1 --threads 2
was redo from start-ts redo cat --storage "$log" --from '2000-01-01 00:00:00'
was redo to end-ts redo cat --storage "$log" --to '2000-01-01 00:00:00'
was runbook to output runbook --clusters examples/tiup-cluster.lua --to "$scratch/book.md"
was trend to output trend --out "$out" --to "$scratch/trend.html"
was selftest out output selftest --out x --drills 1 --scenario "$scratch/nosuch.lua"
was runbook runs out runbook --clusters examples/tiup-cluster.lua --runs "$scratch/none"
was redo runs out redo watch --once --storage "$log" --runs "$scratch/none"
was forecast flush flush-interval forecast --out "$out" --flush 2s
was chaos to upstream chaos proxy --to 1
was capacity from min-rate capacity --plan --from 100
was capacity to max-rate capacity --plan --to 100
was feed flush-ms flush-interval feed --source-uri mysql://root@127.0.0.1:1 --flush-ms 2000
was feed meta-ms meta-flush-interval feed --source-uri mysql://root@127.0.0.1:1 --meta-ms 200
expect "an old command" 2 '^note: drtest compare is now drtest changes; the next version removes the old name' "$DRTEST" compare "$scratch/none" "$scratch/none"
expect "a value of an old name is looked at as ever" 2 "^drtest backup: --workers: '0' is not a whole number from 1 to 64" "$DRTEST" backup --threads 0
