#!/bin/bash
# What a clusters file allows, by the clusters' own account: each verb of a scenario is run, past its own refusals, against a pair (stand-ins) that writes down all that
# is asked of it, with no ability and with each alone; every command that takes a clusters file is run with none. Without an ability nothing is asked that does
# more than read; with one, what it is for, on the cluster that has it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
export STANDIN_FAULTS=asked=$scratch/asked
attached_pair
cat >"$scratch/verbs.lua" <<'L'
local TSO = "435844546560000001"
return require "drtest.scenario" { name = "verbs", run = function(t)
  t:step("verbs", function()
    local store = t:store { buckets = { "backup", "redo" } }
    local u = store:url "backup/x"
    local a, b = t:clusters({ name = "primary" }, { name = "secondary" })
    local ts = t.tso(TSO)
    local function load() return t:load { "oltp_write_only", tables = 1, table_size = 5, db = "sbx" } end
    local verbs = {
      function() t.verify.same(a, b) end, function() t.verify.snapshot(a) end, function() a:position() end,
      function() a:sql "UPDATE precious.p SET v = 1" end, function() a:query "DELETE FROM precious.p" end, function() a:query "SELECT 1 FROM precious.p" end,
      function() a:query "SELECT NEXTVAL(precious.s)" end, function() a:commit "UPDATE precious.p SET v = 1" end,
      function() a:set_gc(false) end, function() a:set_gc(true) end, function() a:backup(u) end, function() b:restore(u) end, function() a:restore(u) end,
      function() a:changefeed { id = "c", sink = b, start_ts = t.tso(a:position()), redo = store:url "redo/x" } end,
      function() b:changefeed { id = "d", sink = a, start_ts = t.tso(b:position()), redo = store:url "redo/y" } end,
      function() a:apply_redo(u) end, function() t:wait_process(t:replay_process(a, u)) end,
      function() load():prepare { on = a } end, function() load():start { on = a } end,
      function() a:restore_point { full = u, log = u } end, function() a:copy_table { from = b, table = "precious.p", as = "precious.p2" } end,
      function() t:disaster { kill = a } end, function() t:disaster { interrupt = a } end, function() a:flashback_cluster(ts) end,
      function() t:fault { kill = a } end, function() t:fault { pause = a } end, function() a:pause() end, function() a:stop() end, function() a:restart() end,
      function() t:restart { a, times = 1, every = "1s" } end, function() a:log_backup(u) end, function() a:roll_forward { of = b, from = ts, archived = true } end,
      function() a:flashback { of = b, at = ts } end, function() t:link { "feed", a } end,
    }
    for _, verb in ipairs(verbs) do pcall(verb) end
    t:check("all were tried", #verbs > 30)
  end)
end }
L
mariadb --no-defaults -h127.0.0.1 -P$((offset + 4000)) -uroot --ssl=0 -e 'CREATE DATABASE precious; CREATE TABLE precious.p (id INT PRIMARY KEY, v INT); INSERT INTO precious.p VALUES (1, 0); CREATE SEQUENCE precious.s' || bad "no data"
file() { # PRIMARY SECONDARY
	cat >"$scratch/clusters.lua" <<L
$at_lua
local primary, secondary = at($offset), at($((offset + 1000)))
primary.allow, secondary.allow = { $1 }, { $2 }
return { primary = primary, secondary = secondary, store = "file://$scratch/store" }
L
}
# beyond KIND…: what was asked that is neither a look nor one of these kinds
cat >"$scratch/beyond" <<'P'
import re, sys
asked, primary, allowed = sys.argv[1], sys.argv[2], set(sys.argv[3:])
READS = r'(SELECT(?!.*\b(INTO (OUTFILE|DUMPFILE)|FOR UPDATE|NEXTVAL|NEXT VALUE|SETVAL|GET_LOCK)\b)|SHOW|EXPLAIN|DESC(RIBE)?|USE|BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SET (?!GLOBAL|PASSWORD|PERSIST|STATEMENT)(?!.*@@GLOBAL\.\w+ *=))\b'
KINDS = [('gc', r'SET GLOBAL tidb_gc_enable'), ('backup', r'BACKUP\b'), ('restore', r'RESTORE\b|DELETE FROM mysql\.(tidb_|dist_)'), ('changefeed', r'POST|PUT|DELETE'), ('write', r'')]
for line in open(asked, errors='replace'):
    how, port, text = line.rstrip('\n').split(' ', 2)
    text = re.sub(r'/\*!?\d*|\*/', ' ', text).strip()
    where = 'primary' if how != 'SQL' or port == primary else 'secondary'
    if how == 'SQL' and re.match(READS, text, re.I):
        continue
    kind = next(k for k, p in KINDS if (how != 'SQL') == (k == 'changefeed') and re.match(p, how if how != 'SQL' else text, re.I))
    if '%s.%s' % (where, kind) not in allowed:
        print('%s at %s: %s' % (kind, where, line[:160].rstrip()))
P
swept() { # NAME KIND…
	local name=$1
	shift
	python3 "$scratch/beyond" "$scratch/asked" $((offset + 4000)) "$@" >"$scratch/beyond.out" && [ ! -s "$scratch/beyond.out" ] && ok || bad "$name: $(sort "$scratch/beyond.out" | uniq -c | head -n 8)"
}
run() { timeout "$(patience 200)" "$DRTEST" run "$@" --on attach --clusters "$scratch/clusters.lua" --out "$out" >"$scratch/out" 2>&1 </dev/null; }
# tried NAME PRIMARY SECONDARY KIND…: all verbs
tried() {
	local name=$1
	file "$2" "$3"
	shift 3
	: >"$scratch/asked"
	run "$scratch/verbs.lua"
	grep -q 'all were tried' "$scratch/out" || grep -q '1 checks\|PASS' "$scratch/out" && ok || bad "$name: the verbs were not all tried: $(tail -n 5 "$scratch/out")"
	grep -q '^SQL' "$scratch/asked" && ok || bad "$name: nothing was asked"
	swept "$name" "$@"
}
tried "nothing is allowed" '' ''
# ---- and each command
: >"$scratch/asked"
for s in scenarios/*.lua; do
	[ "$s" = scenarios/nightly.lua ] || run "$s"
done
sed "s|store = |redo = \"file://$PWD/tests/fixtures/redo/sysbench/log\", store = |" "$scratch/clusters.lua" >"$scratch/redo.lua"
for c in "doctor --clusters" "clean --dry-run --clusters" "clean --clusters"; do
	# shellcheck disable=SC2086
	LIMIT=60 expect "$c" 0 '' "$DRTEST" $c "$scratch/clusters.lua"
done
expect "runbook" 0 '' "$DRTEST" runbook --clusters "$scratch/redo.lua" --output "$scratch/runbook.md"
yes '' | timeout "$(patience 100)" "$DRTEST" gameday --on attach --clusters "$scratch/redo.lua" --out "$out" >"$scratch/gameday" 2>&1
"$DRTEST" clean --undo >"$scratch/out" 2>&1
"$DRTEST" init --from "mysql://root@127.0.0.1:$((offset + 4000))" --output "$scratch/new.lua" >"$scratch/out" 2>&1
grep -q '^SQL' "$scratch/asked" && ok || bad "the commands asked nothing"
swept "each command, and nothing allowed"
# ---- each ability alone
tried "gc alone" '"gc"' '' primary.gc
tried "backup alone" '"backup"' '' primary.backup
grep -q '^SQL [0-9]* BACKUP' "$scratch/asked" && ok || bad "backup was allowed, and not made"
tried "restore alone" '' '"restore"' secondary.restore
tried "changefeed alone" '"changefeed"' '' primary.changefeed
tried "write alone" '"write"' '' primary.write
grep -q 'UPDATE precious' "$scratch/asked" && ok || bad "write was allowed, and not done"
python3 "$scratch/beyond" "$scratch/asked" $((offset + 4000)) | grep -q '^write at primary: .*UPDATE precious' && ok || bad "a write would not have been seen"
