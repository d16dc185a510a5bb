#!/usr/bin/env python3
"""soak.py live MINUTES [drtest run's options…]
     readers at work on a redo log for that long while its changefeed writes, replaces and collects files, with rehearsals from copies
   soak.py lint N [FIRST_SEED]
     the redo logs of N drills with N seeds, each held against redo-lint ($DRTEST_REDO_LINT) and `drtest redo check`
Each prints what it counted and exits 1 if anything was found."""
import collections, os, re, shutil, subprocess, sys, tempfile, time

top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(top)
drtest = os.environ.get('DRTEST', 'build/drtest')
lint = os.environ.get('DRTEST_REDO_LINT', '../shared/tools/redo-lint')
out = tempfile.mkdtemp(prefix='soak.', dir='/var/tmp')
bad = 0

def say(text):
    print(text, flush=True)

def run(argv, seconds=120):
    try:
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
        return p.returncode, p.stdout
    except subprocess.TimeoutExpired:
        return -1, 'no end after %d s' % seconds

def live(minutes, more):
    global bad
    printed = open(out + '/printed', 'w+')
    p = subprocess.Popen([drtest, 'run', 'tests/soak/live_log.lua', '--out', out, '--set', 'time=%ds' % round(minutes * 60),
                          '--timeout', '%ds' % round(minutes * 90 + 600)] + more,
                         stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT)
    began, seen, uri = time.time(), collections.Counter(), None
    while p.poll() is None:
        text = open(out + '/printed').read()
        if '2 read it' in text:
            time.sleep(0.2) # the readers stop where the load does
            continue
        if not uri:
            if '1 set up' in text:
                ours = [l for l in subprocess.run(['pgrep', '-af', 'minio server'], capture_output=True, text=True).stdout.splitlines()
                        if any('/drtest-%s/' % d in l for d in os.listdir(out))]
                at = re.search(r'--address 127\.0\.0\.1:(\d+)', ours[0])
                uri = 's3://redo/live?access-key=minio&secret-access-key=miniostorage&endpoint=http://127.0.0.1:%s&force-path-style=true' % at.group(1)
                with open(out + '/uri', 'w') as f:
                    f.write(uri)
            else:
                time.sleep(0.2)
                continue
        for what in (['check'], ['apply', '--dry-run'], ['watch', '--once', '--warn-rpo', '60s'], ['meta'], ['cat', '--from', '1']):
            rc, said = run([drtest, 'redo', what[0], '--storage', '@' + out + '/uri'] + what[1:])
            seen[what[0]] += 1
            if rc and p.poll() is None and '2 read it' not in open(out + '/printed').read():
                bad += 1
                say('after %d s: redo %s: exit %d: %s' % (time.time() - began, ' '.join(what), rc, said[-500:]))
            if what[0] == 'check':
                m = re.search(r'([\d,]+) rows', said)
                seen['rows read by check'] += int(m.group(1).replace(',', '')) if m else 0
    say(open(out + '/printed').read())
    bad += p.returncode != 0
    say('%.1f minutes; %s; %d findings' % ((time.time() - began) / 60, ', '.join('%s %d' % x for x in sorted(seen.items())), bad))

def lints(n, first):
    global bad
    if not os.path.exists(lint):
        sys.exit('no redo-lint at %s ($DRTEST_REDO_LINT)' % lint)
    records = 0
    for seed in range(first, first + n):
        log = '%s/log-%d' % (out, seed)
        rc, said = run([drtest, 'run', 'tests/soak/kept_log.lua', '--store', 'file', '--out', out + '/runs', '--seed', str(seed), '--set', 'redo=file://' + log])
        if rc:
            bad += 1
            say('seed %d: exit %d: %s' % (seed, rc, said[-800:]))
        kind = re.search(r'1 set up +ok +[\d.]+ s +(.*)', said)
        for argv in ([lint, log], [drtest, 'redo', 'check', '--storage', 'file://' + log]):
            rc, found = run(argv)
            if rc:
                bad += 1
                say('seed %d: %s: %s' % (seed, argv[0], found[-800:]))
            m = re.search(r'(\d+) records', found)
            records += int(m.group(1)) if m and argv[0] == lint else 0
        say('seed %-4d %-30s %d files, %d records so far' % (seed, kind.group(1).strip() if kind else '', len(os.listdir(log)), records))
        shutil.rmtree(log)
    say('%d drills, %d records, %d findings' % (n, records, bad))

if len(sys.argv) < 3 or sys.argv[1] not in ('live', 'lint'):
    sys.exit(__doc__)
if sys.argv[1] == 'live':
    live(float(sys.argv[2]), sys.argv[3:])
else:
    lints(int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
if not bad:
    shutil.rmtree(out)
sys.exit(bad != 0)
