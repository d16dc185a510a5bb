#!/bin/bash
# Every function of the Lua API that takes a cluster asks whether the clusters file allows it (lua_cluster_allowed) or whether the ground can at all
# (lua_cluster_able, ground_can: never on attach), before it does anything; or it is named here as one that reads. A new one without fails.
. "$(dirname "$0")/lib.sh"
python3 - >"$scratch/out" <<'P'
import glob, re
# what only reads; query asks the server for a session that can't write; forensic opens a killed cluster's disk, which attach has not
READS = {'cluster_text', 'name', 'query', 'left_out', 'position', 'now_ts', 'live', 'at_snapshots', 'sums', 'same', 'prefix', 'hold', 'forensic', 'history'}
HELPERS = {'lua_cluster_alive', 'lua_cluster_check'}
FAULTS = {'add_target'}  # the fault's entry point refuses attach as a whole
for f in sorted(glob.glob('harness/bindings/lua_*.c') + glob.glob('chaos/lua_*.c') + glob.glob('workloads/lua_*.c')):
    text = open(f).read()
    for m in re.finditer(r'^(?:[a-z_]+ +)+\*?(\w+)\([^;{}]*\)\n\{\n(.*?)^\}', text, re.M | re.S):
        name, body = m.groups()
        if name in HELPERS or not re.search(r'lua_cluster_(alive|check)\(', body):
            continue
        gate = re.search(r'lua_cluster_allowed\(|lua_cluster_able\(|ground_can\(', body)
        doing = re.search(r'\bcluster_(kill|stop|start_begin|pause|backup|restore\b|changefeed(?!_find)|apply_redo|set_gc)(?!d_ts)\w*\(|sql_exec', body)
        good = name in FAULTS and 'ground, "attach"' in text or name in READS and not doing or \
            bool(gate) and (not doing or gate.start() < doing.start())
        print('ok' if good else 'bad', '%s: %s()' % (f, name))
P
while read -r verdict what; do
	[ "$verdict" = ok ] && ok || bad "$what takes a cluster and asks nobody: lua_cluster_allowed() first"
done <"$scratch/out"
[ "$(wc -l <"$scratch/out")" -ge 25 ] && ok || bad "the functions were not found: $(cat "$scratch/out")"
