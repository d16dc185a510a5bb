#!/bin/bash
# Every verb of a scenario that does something to a cluster, against every ability of a clusters file: without its own it is refused, in --plan too, whatever else is
# allowed; with its own alone it is not. No cluster is asked.
. "$(dirname "$0")/lib.sh"
cd "$scratch" || exit 1
python3 - "$DRTEST" >rows <<'P'
import subprocess, sys
TSO = 't.tso "435844546560000001"'
FEED = 'changefeed { id = "c", sink = %s, start_ts = ' + TSO + ', redo = store:url "redo/x" }'
LOAD = 'local l = t:load { "oltp_write_only", tables = 1 } '
VERBS = [  # the ability; "": it reads; "expendable"; "never"; then the verb
    ('', 'a:query "SELECT 1"'), ('', 't.verify.same(a, b)'), ('', 't.verify.snapshot(a)'), ('', 'a:position()'),
    ('write', 'a:sql "UPDATE x.t SET v = 1"'), ('write', 'a:query "DELETE FROM x.t"'), ('write', 'a:query "SELECT NEXTVAL(x.s)"'), ('write', 'a:commit "UPDATE x.t SET v = 1"'),
    ('gc', 'a:set_gc(false)'), ('backup', 'a:backup(u)'), ('restore', 'a:restore(u)'), ('changefeed', 'a:' + FEED % 'b'), ('write', 'b:' + FEED % 'a'),
    ('write', 'a:apply_redo(u)'), ('write', LOAD + 'l:prepare { on = a }'), ('write', LOAD + 'l:start { on = a }'),
    ('restore', 'a:restore_point { full = u, log = u }'), ('write', 'a:copy_table { from = b, table = "x.t", as = "x.t2" }'), ('write', 't:replay_process(a, u)'),
    ('expendable', 't:disaster { kill = a }'), ('expendable', 't:disaster { interrupt = a }'), ('expendable', 'a:flashback_cluster(' + TSO + ')'),
    ('never', 't:fault { kill = a }'), ('never', 't:fault { pause = a }'), ('never', 'a:pause()'), ('never', 'a:stop()'), ('never', 't:restart { a, times = 1, every = "1s" }'),
    ('never', 'a:log_backup(u)'), ('never', 'a:roll_forward { of = b, from = ' + TSO + ', archived = true }'), ('never', 'a:flashback { of = b, at = ' + TSO + ' }'),
    ('never', 't:link { "feed", a }'),
]
ALL = ['backup', 'restore', 'changefeed', 'gc', 'write']
def plan(body, allow, expendable=False):
    cluster = '{ sql = { host = "127.0.0.1", port = %d }, pd = "http://127.0.0.1:%d", ticdc = "http://127.0.0.1:%d", allow = { %s }%s }'
    more = ', expendable = true, commands = { kill = { "false" } }' if expendable else ''
    with open('clusters.lua', 'w') as f:
        f.write('return { primary = %s, secondary = %s, store = "file:///nowhere/store", redo = "file:///nowhere/redo" }' % (
            cluster % (1, 1, 1, ', '.join('"%s"' % x for x in allow), more), cluster % (2, 2, 2, ', '.join('"%s"' % x for x in ALL), '')))
    with open('verb.lua', 'w') as f:
        f.write('local scenario = require "drtest.scenario"\nreturn scenario { name = "verb", run = function(t) t:step("verb", function()\n'
                'local store = t:store { buckets = { "backup", "redo" } }\nlocal u = store:url "backup/x"\n'
                'local a, b = t:clusters({ name = "primary" }, { name = "secondary" })\n%s\nend) end }\n' % body)
    p = subprocess.run([sys.argv[1], 'run', 'verb.lua', '--on', 'attach', '--clusters', 'clusters.lua', '--plan'], capture_output=True, text=True)
    return p.returncode, (p.stderr.splitlines() or [''])[0]
for need, body in VERBS:
    tries = {'nothing': ([], False), 'all': (ALL, False), 'its own': ([need], False) if need in ALL else None, 'all but its own': ([x for x in ALL if x != need], False),
             'expendable': ([], True)}
    for name, how in tries.items():
        if how is None:
            continue
        rc, said = plan(body, *how)
        may = need == '' or need in ALL and name in ('all', 'its own', 'expendable') or need == 'expendable' and name == 'expendable'
        right = rc == 0 if may else rc in (2, 3) and said.startswith('drtest: ')
        print('%s|%s, allowed is %s: exit %d %s' % ('ok' if right else 'bad', body, name, rc, said))
for body, words in (('a:apply_redo(u, { force = true })', 'needs mode = "txn"'), ('a:apply_redo(u, { mode = "txn", force = true, stock = true })', "needs drtest's own replay")):
    rc, said = plan(body, ALL)
    print('%s|%s: exit %d %s' % ('ok' if rc == 2 and words in said else 'bad', body, rc, said))
P
while IFS='|' read -r verdict what; do
	[ "$verdict" = ok ] && ok || bad "$what"
done <rows
[ "$(wc -l <rows)" -ge 120 ] && ok || bad "few rows: $(tail -n 3 rows)"
