#!/bin/bash
# The load engine against sysbench 1.0.20 on one real MariaDB server: transactions, client CPU, memory, in turn; then what sysbench is not asked:
# the rate's accuracy, and the latency that a stalled server really has. Usage: tests/bench/load.sh build/drtest [rounds] [seconds of a rate]
set -eu
drtest=$1 rounds=${2:-5} rate_seconds=${3:-30}
for tool in mariadbd mariadb-install-db mariadb sysbench python3; do
	command -v $tool >/dev/null || { echo "bench-load: $tool is missing: apt-get install mariadb-server-core mariadb-client sysbench python3"; exit 3; }
done
dir=$(mktemp -d /var/tmp/drtest-bench.XXXXXX)
server=
trap 'kill $server 2>/dev/null || :; wait $server 2>/dev/null || :; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$dir"; mkdir "$dir/tmp"
as=(); if [ "$(id -u)" = 0 ]; then as=(--user=nobody); chown nobody "$dir" "$dir/tmp"; fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mariadb-install-db --no-defaults "${as[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --auth-root-authentication-method=normal --skip-test-db \
	>"$dir/install" 2>&1 || { cat "$dir/install"; exit 3; }
ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
mariadbd --no-defaults "${as[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --port="$port" --bind-address=127.0.0.1 --socket="$dir/s" --log-bin=bin \
	--binlog-format=ROW --innodb-flush-log-at-trx-commit=2 --innodb-buffer-pool-size=512M --max-connections=4000 --back-log=4000 \
	--max-prepared-stmt-count=1000000 >"$dir/log" 2>&1 &
server=$!
for _ in $(seq 200); do
	mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -e 'CREATE DATABASE IF NOT EXISTS sbtest' >/dev/null 2>&1 && break
	sleep 0.1
done
python3 - "$drtest" "$port" "$server" "$rounds" "$rate_seconds" <<'END'
import json, math, os, re, signal, statistics, subprocess, sys, threading, time
drtest, port, server, rounds, rate_seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
common = ['--mysql-host=127.0.0.1', '--mysql-port=' + port, '--mysql-user=root', '--tables=3', '--table-size=10000', '--rand-type=uniform']
failed = False

def run(argv, what, during=None):
    """Output, CPU seconds, peak resident KiB. -1 for who failed."""
    p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if during: threading.Thread(target=during).start()
    out = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        print('bench-load: %s failed: %s' % (what, out[-400:]))
        sys.exit(3)
    return out, usage.ru_utime + usage.ru_stime, usage.ru_maxrss

def ours(verb, *options): return [drtest, 'load', 'oltp_write_only', verb] + common + list(options)
def theirs(verb, *options): return ['sysbench', 'oltp_write_only'] + common + list(options) + [verb]

def verdict(name, value, goal, good, detail):
    global failed
    failed |= not good
    print('%-46s %-10s goal %-16s %-4s  %s' % (name, value, goal, 'PASS' if good else 'FAIL', detail), flush=True)

run(ours('prepare'), 'prepare')
figures = {'sysbench': [], 'drtest': [], 'one round trip': []}
for _ in range(rounds):
    for name, argv in (('sysbench', theirs('run', '--threads=10', '--time=4')), ('drtest', ours('run', '--threads=10', '--time=4')),
                       ('one round trip', ours('run', '--threads=10', '--time=4', '--roundtrips=one'))):
        out, cpu, _ = run(argv, name)
        n = int(re.search(r'transactions: +(\d+)', out).group(1))
        figures[name].append((n / float(re.search(r'total time: +([\d.]+)', out).group(1)), cpu / n * 1e6))
tps = {name: statistics.median(f[0] for f in figures[name]) for name in figures}
cpu = {name: statistics.median(f[1] for f in figures[name]) for name in figures}
verdict('transactions/s, 10 workers, closed loop', '%.2f x' % (tps['drtest'] / tps['sysbench']), 'at least 1.00 x', tps['drtest'] >= tps['sysbench'],
        '%.0f/s, sysbench %.0f/s' % (tps['drtest'], tps['sysbench']))
verdict('client CPU of a transaction', '%.2f x' % (cpu['drtest'] / cpu['sysbench']), 'at most 0.70 x', cpu['drtest'] <= 0.7 * cpu['sysbench'],
        '%.1f us, sysbench %.1f us' % (cpu['drtest'], cpu['sysbench']))
verdict('transactions/s with one round trip', '%.2f x' % (tps['one round trip'] / tps['sysbench']), 'at least 1.40 x',
        tps['one round trip'] >= 1.4 * tps['sysbench'], '%.0f/s at %.1f us' % (tps['one round trip'], cpu['one round trip']))

_, _, a = run(theirs('run', '--threads=2000', '--time=4', '--rate=200'), 'sysbench with 2,000 threads')
_, _, b = run(ours('run', '--threads=2000', '--time=4', '--rate=200'), 'drtest with 2,000 workers')
verdict('resident memory, 2,000 connections', '%.2f x' % (b / a), 'at most 0.50 x', b <= a / 2, '%.0f MiB, sysbench %.0f MiB' % (b / 1024, a / 1024))

for rate in 100, 2000:
    for pace in 'even', 'poisson':
        out, _, _ = run(ours('run', '--threads=50', '--rate=%d' % rate, '--pace=' + pace, '--time=%d' % rate_seconds, '--json', '--rand-seed=%d' % rate), pace)
        j = json.loads(out)
        begun, due = j['started'] - j['retried'], rate * j['seconds']
        off = abs(begun - due)
        limit = 0.01 * due if pace == 'even' else 3 * math.sqrt(due)
        verdict('rate %d/s, %s, %d s' % (rate, pace, rate_seconds), '%+.2f %%' % ((begun / due - 1) * 100), '%.2f %%' % (limit / due * 100), off <= limit,
                '%d begun, %.0f due' % (begun, due))

stall = {}
def stop():
    time.sleep(4)
    os.kill(server, signal.SIGSTOP); stall['from'] = time.monotonic()
    time.sleep(2)
    stall['to'] = time.monotonic(); os.kill(server, signal.SIGCONT)
out, _, _ = run(ours('run', '--threads=50', '--rate=200', '--pace=even', '--time=10', '--json', '--rand-seed=1'), 'a stalled server', stop)
j = json.loads(out)
length, n = stall['to'] - stall['from'], j['latency']['count']
for q, key in (0.99, 'p99_us'), (0.95, 'p95_us'):
    # 200 a second are due all the while; what is due x seconds before the stall's end waits x: (1 - q) n of them wait longer than the quantile
    true = length - (1 - q) * n / 200
    got = j['latency'][key] / 1e6
    verdict('latency in a stall of %.2f s, p%d' % (length, q * 100), '%+.2f %%' % ((got / true - 1) * 100), '2 %', abs(got / true - 1) <= 0.02,
            '%.3f s, by the schedule %.3f s' % (got, true))
out, _, _ = run(theirs('run', '--threads=10', '--time=8', '--percentile=99'), 'sysbench, closed loop, in such a stall', stop)
print('%-46s %s' % ('  (sysbench, closed loop, in such a stall', 'p99 %s ms)' % re.search(r'99th percentile: +([\d.]+)', out).group(1)))
sys.exit(failed)
END
