#!/bin/bash
# kill -9 of drtest at seeded instants of a drill, and of a sweep above one: soon no process, port, lock, mount or data of it is left. KILLS=200 for the long proof.
. "$(dirname "$0")/lib.sh"
kills=${KILLS:-8}
python3 - "$DRTEST" "$scratch" "$kills" <<'P'
import fcntl, glob, os, random, re, signal, subprocess, sys, time
drtest, scratch, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
LIMIT = 20 # seconds; what is usual is printed
out = scratch + '/runs'

def family(pid, start):
    """Living processes that descend from that drtest, by their mark, and those that carry its command line."""
    found = []
    for p in os.listdir('/proc'):
        if not p.isdigit() or int(p) == os.getpid():
            continue
        try:
            env = open('/proc/%s/environ' % p, 'rb').read()
            cmd = open('/proc/%s/cmdline' % p, 'rb').read()
            state = open('/proc/%s/stat' % p).read().rsplit(')', 1)[1].split()[0]
        except OSError:
            continue
        if state == 'Z':
            continue
        if (';%d.' % pid).encode() in env or out.encode() in cmd:
            found.append((int(p), cmd.replace(b'\0', b' ').decode(errors='replace')[:100]))
    return found

def ports_of(pids):
    """Listening sockets of these processes, by inode."""
    inodes = set()
    for pid in pids:
        for fd in glob.glob('/proc/%d/fd/*' % pid):
            try:
                m = re.match(r'socket:\[(\d+)\]', os.readlink(fd))
                if m: inodes.add(m.group(1))
            except OSError:
                pass
    ports = set()
    for line in open('/proc/net/tcp').read().splitlines()[1:]:
        f = line.split()
        if f[3] == '0A' and f[9] in inodes:
            ports.add((int(f[1].split(':')[1], 16), f[9]))
    return ports

def listening(ports):
    """Those whose socket is still the one it was: another drtest may have taken the port at once."""
    inodes = {l.split()[9] for l in open('/proc/net/tcp').read().splitlines()[1:]}
    return [p for p, inode in ports if inode in inodes]

def stale_lock(port):
    try:
        with open('/var/tmp/drtest-ports/%d' % port) as f:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.exists(f.name) and os.fstat(f.fileno()).st_ino == os.stat(f.name).st_ino
    except OSError:
        return False # gone, or somebody holds it

def left(pid, ports, run):
    what = ['process %d: %s' % x for x in family(pid, 0)]
    what += ['port %d' % p for p in listening(ports)]
    what += ['lock of port %d' % p for p, inode in ports if stale_lock(p)]
    what += ['data: ' + d for d in glob.glob('/var/tmp/drtest-*-primary_kill_sweep-%d*' % run)]
    what += ['mount: ' + l for l in open('/proc/mounts') if '-primary_kill_sweep-%d' % run in l]
    return what

rng, bad, worst, passed, times = random.Random(int(os.environ.get('KILLS_SEED', '7'))), 0, 0.0, 0, []
for i in range(kills):
    run = 7000000 + i + os.getpid() * 1000
    # every fourth time it is a sweep that dies, with a run below it
    what = ['sweep', 'scenarios/primary_kill_sweep.lua', '--seeds', str(run)] if i % 4 == 3 else ['run', 'scenarios/primary_kill_sweep.lua', '--seed', str(run)]
    p = subprocess.Popen([drtest] + what + ['--out', out, '--set', 'phase=steady'],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    at = rng.random() ** 2 * 4.0 # more of them in the first second, while everything starts
    time.sleep(at)
    ports = ports_of([p.pid] + [x[0] for x in family(p.pid, 0)])
    os.kill(p.pid, signal.SIGKILL)
    p.wait()
    died, slow = time.monotonic(), None
    while True:
        rest = left(p.pid, ports, run)
        took = time.monotonic() - died
        if not rest or took > LIMIT:
            break
        if took > 2:
            slow = (took, rest)
        time.sleep(0.02)
    worst = max(worst, took)
    times.append(took)
    if slow:
        print('slow: %s killed after %.2f s: %.1f s later still there: %s' % (what[0], at, slow[0], '; '.join(slow[1])))
    if rest:
        bad += 1
        print('FAILED killed after %.2f s: still there %d s later: %s' % (at, LIMIT, '; '.join(rest)))
    else:
        passed += 1
times.sort()
print('%d kills, %d clean; after their kill: median %.2f s, 95 %% within %.2f s, the slowest %.2f s' %
      (kills, passed, times[len(times) // 2], times[int(len(times) * 0.95)], worst))
sys.exit(1 if bad else 0)
P
[ $? = 0 ] && ok || bad "something was left behind"

# what a run left whose guardian died with it is removed by the next start, which says so; what is kept, or lives, is not
dead=/var/tmp/drtest-20000101T000000Z-dead-$$
mkdir -p "$dead/primary" && mark "$dead" && touch -d '1 hour ago' "$dead/lock"
kept=/var/tmp/drtest-20000101T000000Z-kept-$$
mkdir -p "$kept" && mark "$kept" && touch -d '1 hour ago' "$kept/lock" "$kept/kept"
cat >"$scratch/nothing.lua" <<'L'
-- Nothing happens.
return require "drtest.scenario" { name = "nothing", run = function(t) t:check("it is so", true) end }
L
expect "the next start removes what a dead run left, and says so" 0 "removed what an earlier run left when it died: $dead" "$DRTEST" run "$scratch/nothing.lua" --out "$scratch/runs" --store file
[ ! -e "$dead" ] && ok || bad "$dead is still there"
[ -e "$kept" ] && ok || bad "a kept run was removed"
rm -rf "$kept" "$dead"
