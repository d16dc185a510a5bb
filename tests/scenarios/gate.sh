#!/bin/bash
# Every function of the Lua API that takes a cluster asks whether the clusters file allows it (lua_cluster_allowed) or whether the ground can at all
# (lua_cluster_able, ground_can: never on attach), before it does anything; or it is named here as one that reads. A new one without fails.
. "$(dirname "$0")/lib.sh"
python3 - >"$scratch/out" <<'P'
import glob, re
# what only reads; query asks the server for a session that can't write; forensic opens a killed cluster's disk, which attach has not
READS = {'lua_cluster_syncpoint', 'lua_cluster_log_checkpoint', 'cluster_text', 'name', 'query', 'ineligible_tables', 'position', 'current_tso', 'live', 'at_snapshots', 'sums', 'same', 'records', 'snapshot', 'forensic', 'lua_verify_forensic', 'verify_options', 'isolation'}
HELPERS = {'lua_cluster_alive', 'lua_cluster_check', 'cluster_field'}
FAULTS = {'add_target'}  # the fault's entry point refuses attach as a whole
for f in sorted(glob.glob('harness/bindings/lua_*.c') + glob.glob('chaos/lua_*.c') + glob.glob('workloads/lua_*.c')):
    text = open(f).read()
    for m in re.finditer(r'^(?:[a-z_]+ +)+\*?(\w+)\([^;{}]*\)\n\{\n(.*?)^\}', text, re.M | re.S):
        name, body = m.groups()
        if name in HELPERS or not re.search(r'lua_cluster_(alive|check)\(', body):
            continue
        gate = re.search(r'lua_cluster_allowed\(|lua_cluster_able\(|ground_can\(', body)
        doing = re.search(r'\bcluster_(kill|stop|start_begin|pause|backup|restore\b|changefeed(?!_find)|apply_redo|set_gc)(?!d_ts)\w*\(|sql_exec', body)
        good = name in FAULTS and '!ground_can(ground, ABLE_STRIKE)' in open('chaos/lua_fault.c').read() or name in READS and not doing or \
            bool(gate) and (not doing or gate.start() < doing.start())
        print('ok' if good else 'bad', '%s: %s()' % (f, name))
P
while read -r verdict what; do
	[ "$verdict" = ok ] && ok || bad "$what takes a cluster and asks nobody: lua_cluster_allowed() first"
done <"$scratch/out"
[ "$(wc -l <"$scratch/out")" -ge 25 ] && ok || bad "the functions were not found: $(cat "$scratch/out")"

# Who only reads opens its sessions so that the server refuses all else; what is named here writes, or locks.
python3 - >"$scratch/out" <<'P'
import glob, re
WRITERS = {'harness/backup/restore.c': 1, 'harness/backup/snapshot.c': 2,  # a restore; locks that hold a snapshot still
           'harness/cluster/forensic.c': 3}                              # a dead cluster's disk, opened apart
for f in sorted(glob.glob('harness/compare/*.c') + glob.glob('harness/backup/*.c') + glob.glob('harness/verify/*.c') +
                ['harness/cluster/forensic.c', 'harness/cluster/attach/attach_check.c', 'harness/cluster/attach/attach_doctor.c', 'harness/tidb/topology.c']):
    n = len(re.findall(r'\bsql_open\(', open(f).read()))
    print('ok' if n == WRITERS.get(f, 0) else 'bad', '%s: %d sessions that may write' % (f, n))
P
while read -r verdict what; do
	[ "$verdict" = ok ] && ok || bad "$what: sql_open_reading()"
done <"$scratch/out"

# Each command is known: what it does to a cluster. A new one without is found here.
nothing="list clean report history changes trend gate selftest suite sweep capacity run gameday runbook forecast"  # by scenarios, whose verbs are above; or no cluster at all
reads="diff judge backup doctor init"                                                             # proved by grants.sh with the servers' own logs
writes="restore load redo feed chaos"                                                        # on the server that the command line names
for c in $("$DRTEST" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
	case " $nothing $reads $writes " in *" $c "*) ok ;; *) bad "drtest $c: does it touch a cluster, and by which leave?" ;; esac
done
