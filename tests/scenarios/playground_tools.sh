#!/bin/bash
# The guide's own tools in the place of ours, as stand-ins: cdc redo apply, br, sync_diff_inspector; and sysbench, the real one. What they leave
# unknown is said; what they refuse is told in their own words.
. "$(dirname "$0")/lib.sh"
chmod 755 "$scratch"
export TIUP_HOME=$scratch/tiup PATH=$PWD/tests/standins:$PATH DRTEST
mkdir -p "$TIUP_HOME/bin"
echo '{}' >"$TIUP_HOME/bin/root.json"
cat >"$scratch/small.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "small", options = { tear = { false, "write to the secondary before the comparison" } }, run = function(t, opt)
  t:step("all", function()
    local store = t:store { buckets = { "backup", "redo" } }
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 })
    primary:sql "CREATE DATABASE d"
    primary:sql "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(20))"
    primary:sql "INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, 'c')"
    local backup = primary:backup(store:url "backup/full")
    secondary:restore(backup)
    if opt.tear then secondary:sql "UPDATE d.t SET v = 'x' WHERE id = 2" end
    t:check("equal at both snapshots", t.verify.sums(secondary, backup))
    if opt.tear then t:check("equal now", t.verify.same(primary, secondary)) end
    local feed = primary:changefeed { id = "forth", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" }
    primary:sql "UPDATE d.t SET v = 'z' WHERE id = 1"
    local at = primary:position()
    t:eventually("it arrives", "20s", function() return feed:reached(at) end)
    local held = t.verify.same(primary, secondary)
    t:check("equal", held)
    t:disaster { kill = primary }
    local replay = t:replay(secondary, store:url "redo/forth", store)
    t:check("the last write is there", secondary:query("SELECT v FROM d.t WHERE id = 1")[1][1] == "z")
    t:recovered "service"
    return tostring(replay.point)
  end)
end }
L
run=("$DRTEST" run "$scratch/small.lua" --on playground --tidb-version v8.5.7 --store file --out "$scratch/runs")
# the guide's MinIO has port 6060: `cdc redo apply` dies of that unless it is told not to listen there
python3 -m http.server 6060 --bind 127.0.0.1 >/dev/null 2>&1 &
taken=$!
LIMIT=90 expect "all of them at once" 0 'PASS' "${run[@]}" --set replay=both --set backup=br --set compare=sync_diff_inspector
grep -q 'by drtest, .* by cdc redo apply' "$scratch/out" && ok || bad "ours and theirs are not compared: $(cat "$scratch/out")"
kill "$taken" 2>/dev/null
# tiup alone has them: under names of its own, and what it has not is told before anything starts
mkdir "$scratch/bin"
printf '#!/bin/sh\nexec "%s/tests/standins/tiup" "$@"\n' "$PWD" >"$scratch/bin/tiup"
chmod +x "$scratch/bin/tiup"
without=$(echo "$PATH" | sed "s|$PWD/tests/standins|$scratch/bin|")
PATH=$without LIMIT=90 expect "by tiup's components" 0 'PASS' "${run[@]}" --set replay=stock --set backup=br --set compare=sync_diff_inspector
for tool in cdc br sync-diff-inspector; do
	PATH=$without STANDIN_FAULTS="tiup-has-no-$tool" expect "no $tool" 3 "tiup has no $tool" "${run[@]}" --set replay=stock --set backup=br \
		--set compare=sync_diff_inspector
done
# the new architecture's log is read by its own cdc: the classic one of TiDB's version can't read its DDLs
mkdir "$scratch/newer"
printf '#!/bin/sh\necho "$*" >>"%s/cdc-newer.said"\nexec "%s/tests/standins/cdc" "$@"\n' "$scratch" "$PWD" >"$scratch/newer/cdc"
chmod +x "$scratch/newer/cdc"
PATH=$without DRTEST_TICDC=$scratch/newer/cdc LIMIT=90 expect "the new architecture's own cdc" 0 'PASS' "$DRTEST" run "$scratch/small.lua" --on playground --tidb-version v8.5.4 \
	--store file --out "$scratch/newer/runs" --set ticdc=new --set replay=stock
grep -q '^redo apply' "$scratch/cdc-newer.said" && ok || bad "another cdc replays the log: $(cat "$scratch/cdc-newer.said")"
dir=$(find "$scratch/runs" -mindepth 1 -maxdepth 1 -type d | head -n 1)
[ -e "$dir/sync-diff-1/output" ] && [ ! -e "$dir/sync-diff-1/config.toml" ] && ok || bad "sync_diff_inspector's folder"
LIMIT=90 expect "a difference, in its words" 1 'sync_diff_inspector: The data of `d`.`t` is not equal' "${run[@]}" --set compare=sync_diff_inspector --set tear=true
STANDIN_FAULTS='sync-diff=Error 1045: Access denied' LIMIT=90 expect "its exit 1 without a difference is no difference" 4 'could not check: sync_diff_inspector \(exit 1\): Error 1045' \
	"${run[@]}" --set compare=sync_diff_inspector
STANDIN_FAULTS='redo=[CDC:ErrRedoMetaFileNotFound]no redo meta file found in dir' LIMIT=90 expect "redo apply fails" 3 \
	'cdc redo meta: TiCDC says: \[CDC:ErrRedoMetaFileNotFound\].*fix: no redo log there' "${run[@]}" --set replay=stock
STANDIN_FAULTS='br=backup meta file exists in s3://b, there may be some backup files in the path already' LIMIT=90 expect "br refuses" 3 \
	'backup of primary: br backup full: backup meta file exists.*fix: this prefix was used before' "${run[@]}" --set backup=br
LIMIT=90 expect "with MinIO" 0 'PASS' "$DRTEST" run "$scratch/small.lua" --on playground --tidb-version v8.5.7 --out "$scratch/runs" --set replay=stock --set backup=br
# (the stand-ins refuse a key in their argv)
grep -rq 'secret-access-key=[0-9a-f]\{16\}' "$scratch/runs" && bad "a key is in $(grep -rl 'secret-access-key=[0-9a-f]\{16\}' "$scratch/runs")" || ok
pgrep -af "$scratch" | grep -v -e "$$" -e pgrep -e tests/scenarios/ >"$scratch/left" && bad "still running: $(cat "$scratch/left")" || ok

cat >"$scratch/load.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "load", run = function(t)
  t:step("load", function()
    local primary = t:cluster { name = "primary" }
    local load = t:load { "oltp_write_only", tables = 2, table_size = 200, workers = 4, rate = 50 }
    load:prepare { on = primary }
    load:start { on = primary }
    load:first_ack()
    t:sleep "1500ms"
    load:stop()
    t:check("it wrote", load:stats().acked > 20)
    t:check("nothing is lost", t.verify.ledger(load, primary, { of = primary }))
  end)
end }
L
if command -v sysbench >/dev/null; then
	LIMIT=100 expect "sysbench as the load" 4 "UNKNOWN: nothing is lost: the load has no model" "$DRTEST" run "$scratch/load.lua" --on local --store file \
		--out "$scratch/runs" --set load=sysbench
	grep -q 'which does not record what was acknowledged' "$scratch/out" && ok || bad "what is unknown is not said: $(cat "$scratch/out")"
	# the whole drill: fewer tables than the load would write to, and no ledger to hold
	LIMIT=300 expect "a failover with sysbench's load" 4 "^UNKNOWN .* 0 failed" "$DRTEST" run failover --on local --store file --out "$scratch/runs" \
		--set load=sysbench --set tables=2 --set table_size=200 --set soak=1s
fi
