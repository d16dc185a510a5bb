#!/bin/bash
# The whole failover drill, small: every check passes, the run folder is whole, the redo log is one that TiCDC's reader takes, secrets
# are nowhere, and nothing is left behind.
. "$(dirname "$0")/lib.sh"
LIMIT=120
out=$scratch/runs

expect "the drill passes" 0 'PASS' "$DRTEST" run scenarios/failover.lua --on local --seed 7 --out "$out" \
	--set tables=4 --set table_size=1000 --set soak=4s
cat "$scratch/out"
run=$(find "$out" -mindepth 1 -maxdepth 1 -type d | head -n 1)
for f in journal.jsonl.zst result.json report.html junit.xml ledger logs; do
	[ -e "$run/$f" ] && ok || bad "the run folder lacks $f"
done
expect "README's small drill" 0 'PASS' "$DRTEST" run scenarios/failover.lua --on local --out "$scratch/small" \
	--set tables=2 --set table_size=500 --set soak=2s
python3 - "$run/result.json" <<'P' && ok || bad "result.json"
import json, sys
r = json.load(open(sys.argv[1]))
assert r['verdict'] == 'pass', r['verdict']
assert r['schema'] >= 1
P
! grep -rqE "secret-access-key=[0-9a-f]{16}" "$run" --include='*' && ok || bad "a secret is in the run folder: $(grep -rlE "secret-access-key=[0-9a-f]{16}" "$run")"
! zstd -dc "$run/journal.jsonl.zst" | grep -qE "secret-access-key=[0-9a-f]{16}" && ok || bad "a secret is in the journal"
expect "the report can be made again" 0 '' "$DRTEST" report "$run"
# more keys than the replay may hold in memory
cat >"$scratch/large.lua" <<'L'
-- A test of a replay that goes beyond its memory.
return require "drtest.scenario" { name = "large", run = function(t)
  t:step("a log larger than the memory", function()
    local store = t:store { buckets = { "backup", "redo" } }
    local a, b = t:clusters({ name = "a" }, { name = "b" })
    a:sql "CREATE DATABASE x"
    a:sql "CREATE TABLE x.t (id INT PRIMARY KEY, pad VARCHAR(1000))"
    local backup = a:backup(store:url "backup/full")
    b:restore(backup)
    local feed = a:changefeed { id = "f", sink = b, start_ts = backup.ts, redo = store:url "redo/log" }
    t:eventually("it has begun", "30s", function() return feed:status().resolved_ts > backup.ts end)
    b:pause()
    for i = 0, 29 do a:sql(("INSERT INTO x.t SELECT seq + %d, REPEAT(MD5(seq), 31) FROM x.seq_1_to_1000"):format(i * 1000)) end
    local last = a:current_tso()
    t:eventually("all is in the log", "30s", function() return feed:status().resolved_ts >= last end)
    t:disaster { kill = a }
    b:resume()
    local replay = b:apply_redo(store:url "redo/log", { memory_mb = 16 })
    t:check("keys went to files", replay.spilled_bytes > 1000000, tostring(replay.spilled_bytes))
    t:check("every row is there", b:query("SELECT COUNT(*), COUNT(DISTINCT LEFT(pad, 32)) FROM x.t")[1][1] == "30000")
  end)
end }
L
expect "a replay beyond its memory" 0 'PASS 4 checks' "$DRTEST" run "$scratch/large.lua" --store file --out "$scratch/large"
nothing_left "a drill"
