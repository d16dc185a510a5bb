#!/bin/bash
# What a changefeed does not do, told: tables that it leaves out are in the journal, the reports and each verdict about the two clusters; a
# secondary that stands still is noticed while the run waits for it.
. "$(dirname "$0")/lib.sh"
LIMIT=180
out=$scratch/runs
cat >"$scratch/left_out.lua" <<'L'
-- A test of tables that a changefeed leaves out, and of a secondary that stands still.
return require "drtest.scenario" { name = "left_out", run = function(t)
  t:step("tables without a key are named", function()
    local store = t:store { buckets = { "backup", "redo" } }
    local a, b = t:clusters({ name = "a" }, { name = "b" })
    a:sql "CREATE DATABASE x"
    a:sql "CREATE TABLE x.t (id INT PRIMARY KEY, v INT)"
    a:sql "CREATE TABLE x.`k[1]` (v INT)"
    local backup = a:backup(store:url "backup/full")
    b:restore(backup)
    a:sql "CREATE PROCEDURE x.p() SELECT 1"
    local feed = a:changefeed { id = "f", sink = b, start_ts = backup.ts, redo = store:url "redo/log" }
    a:sql "INSERT INTO x.t VALUES (1, 1)"
    a:sql "INSERT INTO x.`k[1]` VALUES (1)"
    local last = a:position()
    t:eventually("it is there", "3m", function() return feed:reached(last) end)
    t:check("equal but for what is left out", t.verify.same(a, b))
    b:pause()
    a:sql "INSERT INTO x.t VALUES (2, 2)"
    t:eventually("it is noticed", "3m", function() return feed:status().sink_still_ms > 3500 end)
    b:resume()
    last = a:position()
    t:eventually("it is there", "3m", function() return feed:reached(last) end)
    a:sql "UPDATE x.t SET v = 3"
    b:sql "UPDATE x.t SET v = 4 WHERE id = 1"
    t:eventually("it is there", "3m", function() return feed:reached(a:position()) end)
    b:sql "DELETE FROM x.t WHERE id = 2"
    t:check("what differs besides is found", t.verify.same(a, b))
  end)
end }
L
expect "a difference beside what is left out fails" 1 'FAIL' "$DRTEST" run "$scratch/left_out.lua" --on local --store file --seed 7 --out "$out"
cat "$scratch/out"
grep -q 'does not replicate x.k\[1\]' "$scratch/out" && ok || bad "the note of what is left out"
[ "$(grep -c 'changefeed f does not replicate procedure x.p' "$scratch/out")" = 1 ] && ok || bad "the note of a procedure"
grep -q 'the secondary has stood still for .* x.t' "$scratch/out" && ok || bad "the note of what stands still"
run=$(find "$out" -mindepth 1 -maxdepth 1 -type d | head -n 1)
python3 - "$run/result.json" <<'P' && ok || bad "result.json"
import json, sys
r = json.load(open(sys.argv[1]))
c = {c['name']: c for c in r['checks']}
equal, unlike = c['equal but for what is left out'], c['what differs besides is found']
assert equal['verdict'] == 'pass' and '1 table is not replicated: x.k[1] (' in equal['evidence'], equal
assert unlike['verdict'] == 'fail' and 'x.k[1]' in unlike['evidence'], unlike
assert all('not replicated: procedure x.p' in c['evidence'] for c in (equal, unlike)), (equal, unlike)
assert any('x.k[1]' in (n['text'] if isinstance(n, dict) else n) for n in r['notes']), r['notes']
P
grep -q 'x.k\[1\]' "$run/report.html" && ok || bad "the report"
nothing_left "a run with tables left out"
