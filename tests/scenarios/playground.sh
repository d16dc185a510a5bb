#!/bin/bash
# The playground ground with stand-ins for tiup and TiDB's components (tests/standins): the same drill, journal, checks and verdict as on the
# local ground, on real data; then every documented failure: one clear line with the tool's own words, the exit code, nothing left running.
. "$(dirname "$0")/lib.sh"
chmod 755 "$scratch"
export TIUP_HOME=$scratch/tiup PATH=$PWD/tests/standins:$PATH DRTEST
export DRTEST_FAMILY_TEST=$scratch
mkdir -p "$TIUP_HOME/bin"
echo '{}' >"$TIUP_HOME/bin/root.json"
out=$scratch/runs
run=("$DRTEST" run scenarios/failover.lua --on playground --tidb-version v8.5.7 --seed 7 --out "$out")

# What fails early needs no whole drill: a cluster; a backup; a changefeed; with a directory as the store.
cat >"$scratch/start.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "start", run = function(t)
  t:step("start", function() t:cluster { name = "primary", ticdc = 0 } t:sleep "3s" t:check("it runs", true) end)
end }
L
cat >"$scratch/feed.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "feed", options = { what = { "feed", "refused, twice, feed, no-feed, used-redo, kill" } }, run = function(t, opt)
  local store, primary, secondary, backup
  local function refused(way_out, f)
    local ok, e = pcall(f)
    t:check("refused: " .. way_out, not ok and tostring(e):find(way_out, 1, true) ~= nil, tostring(e))
  end
  t:step("start", function()
    store = t:store { buckets = { "backup", "redo" } }
    if opt.what == "refused" or opt.what == "twice" then primary = t:cluster { name = "primary", ticdc = 0 }
    else primary, secondary = t:clusters({ name = "primary" }, { name = "secondary", ticdc = 0 }) end
  end)
  t:step("backup", function()
    primary:sql "CREATE DATABASE d"
    primary:sql "CREATE TABLE d.t (id INT PRIMARY KEY)"
    primary:sql "INSERT INTO d.t VALUES (1),(2)"
    primary:set_gc(false)
    t:check("garbage collection is off", primary:query("SELECT @@tidb_gc_enable")[1][1] == "0")
    if opt.what == "refused" then
      refused("tidb_gc_life_time longer, from before that snapshot on", function()
        primary:backup(store:url "backup/old", { snapshot = t.tso "262144" })
      end)
      refused("garbage collection has passed the snapshot", function() primary:backup(store:url "backup/one") end)
      refused("the user needs BACKUP_ADMIN", function() primary:backup(store:url "backup/one") end)
    end
    backup = primary:backup(store:url "backup/one")
    if opt.what == "twice" then primary:backup(store:url "backup/one") end
    primary:set_gc(true)
    t:check("garbage collection is on again", primary:query("SELECT @@tidb_gc_enable")[1][1] == "1")
  end)
  if secondary then t:step("feed", function()
    secondary:restore(backup)
    t:check("equal at both snapshots", t.verify.sums(secondary, backup))
    local function create() return primary:changefeed { id = "forth", sink = secondary, start_ts = backup.ts, redo = store:url "redo/forth" } end
    if opt.what == "no-feed" then
      refused("must have the same version", create)
      refused("mysql://user:password@host:port/", create)
    end
    if opt.what == "used-redo" then primary:backup(store:url "redo/forth") end
    local slow = opt.what == "sink-stands" and t:link { "feed", store }
    local feed = create()
    local late = slow and t:fault { delay = slow, by = "200ms" }
    primary:sql "INSERT INTO d.t VALUES (3)"
    local at = primary:position()
    t:eventually("it arrives", "10s", function() return feed:reached(at) end)
    t:check("it is there", #secondary:query "SELECT * FROM d.t" == 3)
    if opt.what == "store-dies" then
      t:fault { kill = store }
      t:eventually("drtest says what TiCDC does not", "60s", function()
        local e = feed:status().error
        return e:find("have not moved for %d+ s although TiCDC reports normal: its store does not respond") ~= nil, e
      end)
      store:start()
      primary:sql "INSERT INTO d.t VALUES (4)"
      local last = primary:position()
      t:eventually("it goes on by itself", "60s", function() return feed:reached(last) end)
      t:check("all is there", #secondary:query "SELECT * FROM d.t" == 4)
    elseif opt.what == "sink-stands" then
      local frozen = t:fault { pause = secondary }
      primary:sql "INSERT INTO d.t VALUES (4)"
      t:eventually("who stands still is said, and nobody else", "60s", function()
        local e = feed:status().error
        return e:find("its sink does not respond") ~= nil and not e:find("its store does not respond"), e
      end)
      frozen:heal()
      late:heal()
    elseif opt.what == "silent" then
      local still = t:fault { pause = feed }
      t:eventually("TiCDC's silence is told, and ends nothing", "60s", function()
        local e = feed:status().error
        return e:find("TiCDC's API has not responded for %d+ s") ~= nil, e
      end)
      still:heal()
      primary:sql "INSERT INTO d.t VALUES (4)"
      local last = primary:position()
      t:eventually("it goes on", "60s", function() return feed:reached(last) end)
      t:check("all is there", #secondary:query "SELECT * FROM d.t" == 4)
    elseif opt.what == "kill" then
      t:kill(primary, "ticdc")
      t:disaster { interrupt = primary }
      t:recovered "service"
    elseif opt.what == "index" then t:check("both sides are equal", t.verify.same(primary, secondary))
    else t:sleep "3s" end
  end) end
end }
L
# fails NAME SCENARIO FAULTS EXIT PATTERN [OPTIONS]: the scenario with these faults
fails() {
	local name=$1 file=$2 faults=$3 code=$4 pattern=$5
	shift 5
	STANDIN_FAULTS=$faults LIMIT=60 expect "$name" "$code" "$pattern" "$DRTEST" run "$scratch/$file.lua" --on playground --tidb-version v8.5.7 --store file \
		--out "$out" "$@"
	[ "$(grep -c '^drtest: ' "$scratch/out")" = 1 ] && ok || bad "$name: not one line: $(cat "$scratch/out")"
	nothing_left "$name"
}

# ---- the whole drill
LIMIT=170 expect "the drill passes" 0 'PASS' "${run[@]}" --set tables=4 --set table_size=500 --set soak=2s
cat "$scratch/out"
grep -q 'stand-ins, not the real tools' "$scratch/out" && ok || bad "the stand-ins are not named"
grep -Eq 'in the middle of a flush to the secondary' "$scratch/out" && grep -Eq 'before: [1-9][0-9,]* torn transactions?, after: 0' "$scratch/out" && ok ||
	bad "the disaster tore nothing: $(cat "$scratch/out")"
grep -q 'restore on secondary: RESTORE restored 1 records of the other' "$scratch/out" && ok || bad "what RESTORE brought along is not told: $(cat "$scratch/out")"
dir=$(find "$out" -mindepth 1 -maxdepth 1 -type d | head -n 1)
for f in journal.jsonl.zst result.json report.html junit.xml ledger logs logs/primary-tidb-0.log logs/primary-cdc-0.log; do
	[ -e "$dir/$f" ] && ok || bad "the run folder lacks $f"
done
python3 - "$dir/result.json" <<'P' && ok || bad "result.json"
import json, sys
r = json.load(open(sys.argv[1]))
assert r['verdict'] == 'pass', r['verdict']
assert r['standins'], 'the stand-ins are not in the result'
assert any('standin' in v for v in r['versions'].values()), r['versions']
P
grep -rlq -e 'secret-access-key=[0-9a-f]\{16\}' -e 'drtest_cdc:[0-9a-f]' "$dir" && bad "a secret is in the run folder: $(grep -rl 'secret-access-key=[0-9a-f]\{16\}' "$dir")" || ok
zstd -dc "$dir/journal.jsonl.zst" | grep -q -e 'secret-access-key=[0-9a-f]\{16\}' -e 'drtest_cdc:[0-9a-f]' && bad "a secret is in the journal" || ok
nothing_left "the drill"

# ---- equal rows, and an index that disagrees with them
STANDIN_FAULTS="index=t" LIMIT=60 expect "an index that disagrees with its rows" 1 'primary: an index of `d`.`t` disagrees with its rows: .*data inconsistency' "$DRTEST" run \
	"$scratch/feed.lua" --on playground --tidb-version v8.5.7 --store file --out "$out" --set what=index
nothing_left "the index"
LIMIT=60 expect "and one that does not" 0 'PASS' "$DRTEST" run "$scratch/feed.lua" --on playground --tidb-version v8.5.7 --store file --out "$out" --set what=index
nothing_left "the index"

# ---- old versions: no API v2, five columns of RESTORE, the CLI with --pd and a config file
LIMIT=60 expect "a changefeed on v5.4" 0 'PASS' "$DRTEST" run "$scratch/feed.lua" --on playground --set tidb_version=5.4.0 --store file --out "$out"
nothing_left "v5.4"

# ---- TiCDC's new architecture: ids and gid above 2^63, no time-zone in the sink's URI, the checkpoint in resolved_ts's place
TICDC_NEWARCH=true LIMIT=60 expect "a changefeed in the new architecture" 0 'PASS' "$DRTEST" run "$scratch/feed.lua" --on playground --tidb-version v8.5.4 \
	--store file --out "$out"
nothing_left "the new architecture"

# ---- the store goes away: TiCDC says normal, and drtest asks the store
LIMIT=90 expect "the store dies" 0 'note: changefeed forth: .*its store does not respond' "$DRTEST" run "$scratch/feed.lua" --on playground --out "$out" \
	--set what=store-dies
nothing_left "the store's death"

# ---- the sink stands still, behind a slow store: the sink is named alone
LIMIT=90 expect "the sink stands still" 0 'PASS' "$DRTEST" run "$scratch/feed.lua" --on playground --out "$out" --set what=sink-stands
nothing_left "the still sink"

# ---- one component dies, then Ctrl+C as at a terminal
# who cleans up from another mount namespace does not see the run's folder; the run's playground is in use all the same
if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
	"$DRTEST" run "$scratch/start.lua" --on playground --store file --out "$out" >"$scratch/running" 2>&1 &
	pid=$!
	wait_for 60 bash -c "ls $TIUP_HOME/data/*start-42-primary/tiup_process_meta"
	expect "a playground in use is left alone" 0 '' unshare --mount bash -c "mount -t tmpfs none /var/tmp && exec '$DRTEST' clean"
	grep 'start-42' "$scratch/out" && bad "it was cleaned away" || ok
	wait $pid && ok || bad "the run did not survive: $(cat "$scratch/running")"
fi
LIMIT=90 expect "TiCDC says nothing for a while" 0 'PASS' "$DRTEST" run "$scratch/feed.lua" --on playground --store file --out "$out" --set what=silent
LIMIT=60 expect "TiCDC is killed, the rest is interrupted" 0 'PASS' "$DRTEST" run "$scratch/feed.lua" --on playground --store file --out "$out" --set what=kill
nothing_left "an interrupt"

# ---- the plan names the guide's commands, and does nothing
expect "the plan" 0 'tiup --tag drtest-<run>-primary playground v8.5.7 --host 127.0.0.1 --db 1' "${run[@]}" --plan
grep -q 'BACKUP DATABASE \* TO' "$scratch/out" && grep -q 'RESTORE DATABASE \* FROM' "$scratch/out" && ok || bad "the plan lacks BACKUP and RESTORE"
grep -q 'br backup full --pd <secondary>' "$scratch/out" && grep -q 'br restore full --pd <new-primary>' "$scratch/out" && ok || bad "the plan lacks br"

# ---- where tiup is, playground is the default; doctor tells what would be downloaded
expect "the default" 0 'plan of failover on playground' "$DRTEST" run scenarios/failover.lua --plan
mkdir -p "$TIUP_HOME/components/tidb/v8.5.7" "$TIUP_HOME/components/pd/v8.5.6"
"$DRTEST" doctor >"$scratch/out" 2>&1
for line in 'ok         tidb        v8.5.7 cached' 'pd          v8.5.6 is cached, tidb is v8.5.7: that version' 'cdc         is not cached: the first run downloads it'; do
	grep -q "$line" "$scratch/out" && ok || bad "doctor does not say '$line': $(cat "$scratch/out")"
done
rm -rf "$TIUP_HOME/components"

# ---- drtest itself is killed: nothing stays
setsid "$DRTEST" run "$scratch/start.lua" --on playground --store file --out "$out" >"$scratch/killed" 2>&1 </dev/null &
pid=$!
for _ in $(seq 100); do pgrep -f "$TIUP_HOME/data/.*/tidb-0" >/dev/null && break; sleep 0.1; done
kill -9 "$pid"
nothing_of_it() { ! pgrep -f "$TIUP_HOME/data/" >/dev/null && [ -z "$(ls -A "$TIUP_HOME/data" 2>/dev/null)" ]; }
wait_for 60 nothing_of_it && ok || bad "a killed drtest leaves $(ls -A "$TIUP_HOME/data"), $(pgrep -fa "$TIUP_HOME/data/")"
nothing_left "a killed drtest"

# ---- tiup before 1.16.5 keeps its note elsewhere, and names components otherwise
STANDIN_TIUP=1.16.4 LIMIT=60 expect "tiup 1.16.4" 0 'note: tiup 1.16.4: do not run .tiup status. or' "$DRTEST" run "$scratch/start.lua" --on playground \
	--store file --out "$out"
[ -z "$(ls -A "$TIUP_HOME/data")" ] && ok || bad "tiup 1.16.4 left $(find "$TIUP_HOME/data")"
nothing_left "tiup 1.16.4"
STANDIN_TIUP=1.16.4 fails "TiDB dies, as 1.16.4 says it" start "tidb-dies=1" 3 'tidb: exit status 3 ended by itself \(tidb.log: panic: .*asked to die'

# ---- before the run
PATH=${PATH#*standins:} expect "tiup is missing" 3 'tiup is not on PATH' "${run[@]}"
STANDIN_TIUP=1.9.1 expect "tiup is too old" 3 'port-offset, available since 1.16.1' "${run[@]}"
mv "$TIUP_HOME/bin/root.json" "$scratch/"
expect "an empty TIUP_HOME" 3 'root.json does not exist' "${run[@]}"
mv "$scratch/root.json" "$TIUP_HOME/bin/"
expect "a wrong version" 2 "is not a version such as v8.5.7" "$DRTEST" run scenarios/failover.lua --on playground --tidb-version '../x'

# ---- while it starts
fails "a download is refused" start "download" 3 'start primary: tiup says: Failed to run component playground: .*failed to download'
fails "no such component" start "boot" 3 'start primary: tiup says: Playground bootstrapping failed: unknown component'
fails "PD is not ready" start "pd-late" 3 'tiup says: Playground bootstrapping failed: failed to wait PD 127.0.0.1:[0-9]+ to be ready'
fails "another program listens there" start "foreign" 3 'the server at 127.0.0.1:[0-9]+ is not TiDB'
fails "playground ends by itself" start "ends=1" 3 'primary: playground ended by itself: exit 1'
fails "TiDB dies" start "tidb-dies=1" 3 'tidb-0: exit status 3 ended by itself \(tidb.log: panic: .*asked to die'

# ---- in the steps
fails "BACKUP: the prefix was used" feed "" 3 'BACKUP: .* was used before \([0-9]+ objects.*use a new prefix for each run' --set what=twice
fails "BACKUP: refused" feed "backup=[BR:Backup:ErrBackupGCSafepointExceeded]backup GC safepoint exceeded||Access denied, you need BACKUP_ADMIN||NoSuchBucket: The specified bucket does not exist" \
	3 'Backup failed: NoSuchBucket.*\(8124\) \(fix: the bucket does not exist' --set what=refused
fails "RESTORE: not fresh" feed "restore=[BR:Restore:ErrRestoreNotFreshCluster]cluster is not fresh" 3 \
	'Restore failed: .*cluster is not fresh.*\(8125\).*fix: the target has data'
fails "changefeed: refused" feed "create=CDC:ErrVersionIncompatible version is incompatible||CDC:ErrSinkURIInvalid sink uri invalid 'kafka'||CDC:ErrStartTsBeforeGC fail to create or maintain changefeed because start-ts 1 is earlier than GC safepoint" \
	3 'TiCDC says: \[CDC:ErrStartTsBeforeGC\]fail to create.*fix: garbage collection has passed' --set what=no-feed
fails "the redo log's prefix was used" feed "" 3 "the redo log's prefix: .* was used before" --set what=used-redo
fails "changefeed: no redo is written" feed "level" 3 'was created with consistent.level = "none": it writes no redo log'
fails "a VECTOR column" feed "vector=shop.item.embedding" 3 'a replay cannot read VECTOR columns from TiCDC.s redo log: shop.item.embedding \(fix: '
fails "TiCDC says failed" feed "feed-dies=0" 3 'changefeed forth is failed: \[CDC:ErrGCTTLExceeded\]'
fails "TiCDC dies" feed "cdc-dies=2" 3 'cdc-0: exit status 2 ended by itself \(ticdc.log: panic: .*asked to die'
