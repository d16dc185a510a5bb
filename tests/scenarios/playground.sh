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
small=(--set tables=2 --set table_size=200 --set load_tables=2 --set soak=1s)
drill() { "$DRTEST" run scenarios/failover.lua --on playground --version v8.5.7 --seed 7 --out "$out" "${small[@]}" "$@"; }
left() { pgrep -af "$scratch" | grep -v -e "$$" -e pgrep -e 'tests/scenarios/' >"$scratch/left"; }
nothing_left() {
	if left; then bad "$1: still running: $(cat "$scratch/left")"; else ok; fi
	if [ -n "$(ls -A "$TIUP_HOME/data" 2>/dev/null)" ]; then bad "$1: left in the data folder: $(ls "$TIUP_HOME/data")"; else ok; fi
	rm -rf "$TIUP_HOME/data"
}
# fails NAME FAULTS EXIT PATTERN: the drill with these faults
fails() {
	local name=$1 faults=$2 code=$3 pattern=$4
	shift 4
	STANDIN_FAULTS=$faults LIMIT=100 expect "$name" "$code" "$pattern" "$DRTEST" run scenarios/failover.lua --on playground --version v8.5.7 --seed 7 \
		--out "$out" "${small[@]}" "$@"
	[ "$(grep -c '^drtest: ' "$scratch/out")" = 1 ] && ok || bad "$name: not one line: $(cat "$scratch/out")"
	nothing_left "$name"
}

# ---- the whole drill
LIMIT=170 expect "the drill passes" 0 'PASS' "$DRTEST" run scenarios/failover.lua --on playground --version v8.5.7 --seed 7 --out "$out" \
	--set tables=4 --set table_size=1000 --set soak=4s
cat "$scratch/out"
grep -q 'stand-ins, not the real tools' "$scratch/out" && ok || bad "the stand-ins are not named"
run=$(find "$out" -mindepth 1 -maxdepth 1 -type d | head -n 1)
for f in journal.jsonl.zst result.json report.html junit.xml ledger logs logs/primary-tidb-0.log logs/primary-cdc-0.log; do
	[ -e "$run/$f" ] && ok || bad "the run folder lacks $f"
done
python3 - "$run/result.json" <<'P' && ok || bad "result.json"
import json, sys
r = json.load(open(sys.argv[1]))
assert r['verdict'] == 'pass', r['verdict']
assert r['standins'], 'the stand-ins are not in the result'
assert any('standin' in v for v in r['versions'].values()), r['versions']
P
grep -rlq -e miniostorage -e 'drtest_cdc:[0-9a-f]' "$run" && bad "a secret is in the run folder: $(grep -rl miniostorage "$run")" || ok
zstd -dc "$run/journal.jsonl.zst" | grep -q -e miniostorage -e 'drtest_cdc:[0-9a-f]' && bad "a secret is in the journal" || ok
nothing_left "the drill"

# ---- old versions: no API v2, five columns of RESTORE, the CLI with --pd and a config file
LIMIT=170 expect "the drill passes on v5.4" 0 'PASS' "$DRTEST" run scenarios/failover.lua --on playground --set tidb_version=5.4.0 --seed 7 --out "$out" "${small[@]}"
nothing_left "v5.4"

# ---- the plan names the guide's commands, and does nothing
expect "the plan" 0 'tiup --tag drtest-<run>-primary playground v8.5.7 --host 127.0.0.1 --db 1' drill --plan
grep -q 'BACKUP DATABASE \* TO' "$scratch/out" && grep -q 'RESTORE DATABASE \* FROM' "$scratch/out" && ok || bad "the plan lacks BACKUP and RESTORE"

# ---- before the run
PATH=${PATH#*standins:} expect "tiup is missing" 3 'tiup is not on PATH' "$DRTEST" run scenarios/failover.lua --on playground --out "$out"
STANDIN_TIUP=1.9.1 expect "tiup is too old" 3 'port-offset, which came with 1.16.1' drill
mv "$TIUP_HOME/bin/root.json" "$scratch/"
expect "an empty TIUP_HOME" 3 'root.json is not there' drill
mv "$scratch/root.json" "$TIUP_HOME/bin/"
expect "a wrong version" 2 "is not a version as v8.5.7" "$DRTEST" run scenarios/failover.lua --on playground --version '../x'

# ---- while it starts
fails "a download is refused" "download" 3 'start primary: tiup ended \(exit 1\).*failed to download'
fails "no such component" "boot" 3 'start primary: tiup says: Playground bootstrapping failed: unknown component'
fails "PD is not ready" "pd-late" 3 'tiup says: Playground bootstrapping failed: failed to wait PD 127.0.0.1:[0-9]+ to be ready'
fails "playground ends by itself" "ends=0" 3 'tiup ended \(exit 1\)|playground ended by itself'
fails "TiDB dies" "tidb-dies=1" 3 'tidb-0: exit status 3 ended by itself \(tidb.log ends: .*asked to die'

# ---- in the steps
fails "BACKUP: no bucket" "backup=NoSuchBucket: The specified bucket does not exist" 3 'Backup failed: NoSuchBucket.*\(8124\) \(way out: the bucket is not there'
fails "BACKUP: GC safepoint" "backup=[BR:Backup:ErrBackupGCSafepointExceeded]backup GC safepoint exceeded" 3 'GC safepoint exceeded.*way out: garbage collection'
fails "BACKUP: no permission" "backup=Access denied; you need (at least one of) the SUPER or BACKUP_ADMIN privilege(s)" 3 'way out: the user needs BACKUP_ADMIN'
fails "RESTORE: not fresh" "restore=[BR:Restore:ErrRestoreNotFreshCluster]cluster is not fresh" 3 'Restore failed: .*cluster is not fresh.*\(8125\).*way out: the target has data'
fails "changefeed: start-ts before GC" "create=CDC:ErrStartTsBeforeGC fail to create or maintain changefeed because start-ts 1 is earlier than or equal to GC safepoint at 2" \
	3 'TiCDC says: \[CDC:ErrStartTsBeforeGC\]fail to create.*way out: garbage collection has passed'
fails "changefeed: version mismatch" "create=CDC:ErrVersionIncompatible version is incompatible" 3 'ErrVersionIncompatible.*one version'
fails "changefeed: no redo is written" "level" 3 'was created with consistent.level = "none": it writes no redo log'
fails "TiCDC says failed" "feed-dies=0" 3 'changefeed primary-to-secondary is failed: \[CDC:ErrGCTTLExceeded\]'
fails "TiCDC dies" "cdc-dies=2" 3 'cdc-0: exit status 2 ended by itself'
