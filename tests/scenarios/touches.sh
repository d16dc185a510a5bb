#!/bin/bash
# Which files a rehearsal writes and which addresses it speaks to, by the kernel's own account (strace -f): docs/SECURITY.md, "What a rehearsal touches".
# Not held: the local ground's server reads its own configuration and libraries, which is read alone.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
strace -f -o "$scratch/try" -e trace=openat true 2>/dev/null || { echo "skipped: strace is not installed, or may not trace here"; exit 77; }
chmod 755 "$scratch"
out=$scratch/runs
minio=${DRTEST_MINIO:-${XDG_CACHE_HOME:-$HOME/.cache}/drtest/bin/minio}
store=(--store file)
[ ! -x "$minio" ] || { export DRTEST_MINIO=$minio; store=(); }
export XDG_CACHE_HOME=$scratch/cache TMPDIR=$scratch/tmp
mkdir "$XDG_CACHE_HOME" "$TMPDIR" && chmod 1777 "$TMPDIR"
cat >"$scratch/rehearsal.lua" <<'L'
-- What a rehearsal does: a backup, a changefeed with a redo log, the loss of the primary, the replay, the verdict.
return require "drtest.scenario" { name = "rehearsal", run = function(t)
  t:step("a pair", function()
    local store = t:store { buckets = { "backup", "redo" } }
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    primary:sql "CREATE DATABASE d"
    primary:sql "CREATE TABLE d.t (id INT PRIMARY KEY, v TEXT)"
    for i = 1, 20 do primary:sql("INSERT INTO d.t VALUES (" .. i .. ", 'before')") end
    local backup = primary:backup(store:url "backup/full")
    secondary:restore(backup)
    local feed = primary:changefeed { id = "f", sink = secondary, start_ts = backup.ts, redo = store:url "redo/log" }
    primary:sql "UPDATE d.t SET v = 'after'"
    local at = primary:position()
    t:eventually("it arrives", "20m", function() return feed:reached(at) end)
    t:disaster { kill = primary }
    secondary:apply_redo(store:url "redo/log")
    t:check("all is there", secondary:query("SELECT COUNT(*) FROM d.t WHERE v = 'after'")[1][1] == "20")
  end)
end }
L
calls=open,openat,openat2,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,link,linkat,symlink,symlinkat,connect,bind,sendto,truncate,chmod,fchmodat,chown,fchownat,mknod,mknodat,kill,tkill,tgkill,clone,clone3,fork,vfork
# The sandbox of the guardian and of the servers (other users) is traced too.
LIMIT=300 expect "a rehearsal under strace" 0 'PASS' strace -f -qq -s 4096 -o "$scratch/trace" \
	-e trace="$calls" \
	"$DRTEST" run "$scratch/rehearsal.lua" --on local --out "$out" "${store[@]}"
# touched TRACE PORTS PATH…: what was touched beside these paths and (unless PORTS is "all") these ports of this machine, and whom a signal was sent that is none of its own
cat >"$scratch/touched.py" <<'P'
import collections, os, re, sys
trace, ports, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
MAY = paths + ['/var/tmp/drtest-', '/dev/null', '/dev/shm/', '/proc/self/', '/proc/thread-self/', '/dev/tty']
written, peers = collections.Counter(), collections.Counter()
PATH = re.compile(r'^(\d+) +(\w+)\((.*)')
seen, own, signals = 0, set(), []
def calls():
    """The trace's lines; a call that another thread's line cut in two is one again, since its result stands in the second half."""
    begun = {}
    for line in open(trace, errors='replace'):
        pid, rest = line.split(None, 1) if ' ' in line else (line, '')
        resumed = re.match(r'<\.\.\. \w+ resumed>(.*)', rest)
        if rest.rstrip().endswith('<unfinished ...>'):
            begun[pid] = line.rstrip()[:-len('<unfinished ...>')]
        elif resumed:
            yield begun.pop(pid, pid + ' ') + resumed.group(1)
        else:
            yield line
    yield from begun.values() # no result was seen: as if it had succeeded
for line in calls():
    m = PATH.match(line)
    if not m:
        continue
    pid, call, rest = m.groups()
    seen += 1
    own.add(pid)
    if call in ('clone', 'clone3', 'fork', 'vfork'):
        own.update(re.findall(r'= (\d+)$', rest.strip()))
        continue
    if call in ('kill', 'tkill', 'tgkill'):
        signals.append((re.match(r'-?(\d+)', rest).group(1), call + ' ' + rest.strip()))
        continue
    if call in ('connect', 'bind', 'sendto'):
        a = re.search(r'sa_family=AF_(\w+)(.*)', rest)
        if not a:
            continue
        family, more = a.groups()
        if family in ('INET', 'INET6'):
            ip = re.search(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', more)
            ip = (ip.group(1) or ip.group(2)) if ip else '?'
            port = re.search(r'htons\((\d+)\)', more)
            if not (ip.startswith('127.') or ip in ('::1', '::ffff:127.0.0.1')):
                peers['%s of %s:%s' % (call, ip, port.group(1) if port else '?')] += 1
            elif ports != 'all' and call == 'connect' and port.group(1) not in ports.split(','):
                peers['%s of port %s' % (call, port.group(1))] += 1
        elif family == 'UNIX':
            p = re.search(r'sun_path=(@?)"([^"]*)"', more)
            if p and not p.group(1) and not any(p.group(2).startswith(x) for x in MAY) and p.group(2).startswith('/') and 'nscd' not in p.group(2):
                peers['%s of %s' % (call, p.group(2))] += 1
        continue
    if call in ('open', 'openat', 'openat2', 'creat') and not re.search(r'O_WRONLY|O_RDWR|O_CREAT|O_TRUNC', rest) and call != 'creat':
        continue
    if re.search(r'= -1 E', rest):
        continue
    paths = re.findall(r'(?:(AT_FDCWD|\d+)(?:<[^>]*>)?, )?"((?:[^"\\]|\\.)*)"', rest)[:2]
    if 'link' in call and not call.startswith('unlink'):
        paths = paths[1:]  # of a link, what it leads to is read alone (MinIO's program beside its data); the new name is what is made
    for fd, path in paths:
        if not path.startswith('/'):
            continue  # beside what was opened, which is told where it was opened; the working directory is held below
        if not any(path.startswith(x) for x in MAY):
            written['%s %s' % (call, path)] += 1
for pid, what in signals:
    if pid not in own:
        peers[what] += 1
print('%d calls' % seen)
for k, n in (written + peers).most_common(30):
    print('outside: %s (%d times)' % (k, n))
P
touched() { python3 "$scratch/touched.py" "$@" >"$scratch/touched"; }
touched "$scratch/trace" all "$scratch/"
grep -q '^outside' "$scratch/touched" && bad "$(cat "$scratch/touched")" || ok
[ "$(sed -n 's/ calls$//p' "$scratch/touched")" -gt 500 ] && ok || bad "the trace saw nothing: $(cat "$scratch/touched")"
# it would have been seen
strace -f -qq -s 4096 -o "$scratch/trace" -e trace=openat,connect bash -c ': >/tmp/drtest-outside; : </dev/tcp/192.0.2.1/9' 2>/dev/null &
tracer=$!
wait_for 20 grep -q '192\.0\.2\.1' "$scratch/trace" && grep -q drtest-outside "$scratch/trace" && ok || bad "strace does not see what is written and connected"
kill "$tracer" 2>/dev/null; rm -f /tmp/drtest-outside
git status --porcelain --ignored=no . 2>/dev/null | grep -q '?? ' && [ -n "$(find . -maxdepth 1 -newer "$scratch/rehearsal.lua" -type f)" ] && bad "something was left in the working directory" || ok

# ---- the shipped rehearsal beside a living pair (stand-ins): the run's folder, the file's store and endpoints, drtest's notes, and no more
live_pair
"$scratch/start" scratch $((offset + 2000))
wait_for 60 test -e "$TIUP_HOME/data/scratch/dsn" || bad "no scratch: $(cat "$scratch/scratch.log")"
cat >"$scratch/clusters.lua" <<L
$at_lua
local primary, secondary, scratch = at($offset), at($((offset + 1000))), at($((offset + 2000)))
primary.allow = { "backup", "gc" }
scratch.expendable = true
return { primary = primary, secondary = secondary, scratch = scratch, store = "file://$scratch/store", redo = "file://$scratch/redo", changefeed = "live" }
L
rm -rf "$scratch/trace"
LIMIT=300 expect "the rehearsal under strace" 0 'PASS' strace -f -qq -s 4096 -o "$scratch/trace" -e trace="$calls" \
	"$DRTEST" run scenarios/rehearse.lua --on attach --clusters "$scratch/clusters.lua" --out "$scratch/out-of-it"
ports=
for o in 0 1000 2000; do for p in 4000 2379 10080 8300; do ports+=$((offset + o + p)),; done; done
touched "$scratch/trace" "$ports" "$scratch/out-of-it" "$scratch/store/" "$TMPDIR" "$DRTEST_UNDO" "$XDG_CACHE_HOME/"
grep -q '^outside' "$scratch/touched" && bad "the rehearsal: $(cat "$scratch/touched")" || ok
[ "$(sed -n 's/ calls$//p' "$scratch/touched")" -gt 300 ] && ok || bad "the trace of the rehearsal saw nothing: $(cat "$scratch/touched")"
