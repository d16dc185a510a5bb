"""The MariaDB server that has the rows of a stand-in cluster, and its commit clock: drtest's TSO map (harness/sql/tso_map.h), written by `rows`, read by
each stand-in TiDB."""
import bisect, ctypes, glob, os, struct, subprocess, threading, time
import common
from common import SqlError, ask

SAMPLE_S = 0.02

def template(data):
    """The data directory that drtest keeps, where it has one; else made here."""
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.environ.get('HOME', '/'), '.cache')
    for t in sorted(glob.glob(os.path.join(cache, 'drtest', 'mariadb-*'))):
        if os.path.isdir(t) and not t.endswith(('.new', '.tmp')):
            subprocess.run(['cp', '-a', t, data], check=True)
            subprocess.run(['chown', '-R', '%d:%d' % (os.getuid(), os.getgid()), data], check=True)
            return
    subprocess.run(['mariadb-install-db', '--no-defaults', '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve',
                    '--datadir=' + data, '--tmpdir=' + os.path.dirname(data)] + (['--user=root'] if os.getuid() == 0 else []), check=True, stdout=subprocess.DEVNULL)

def start(data, log, binlog):
    if not os.path.exists(data):
        template(data)
    port, tmp = common.free_port(), data + '.tmp'
    os.makedirs(tmp, exist_ok=True)  # its own: in /tmp two servers of one pid (in namespaces of their own) take each other's temporary tables away
    argv = ['mariadbd', '--no-defaults', '--datadir=' + data, '--socket=s', '--pid-file=p', '--bind-address=127.0.0.1', '--port=%d' % port,
            '--server-id=1', '--skip-name-resolve', '--performance-schema=OFF', '--innodb-log-file-size=16M', '--innodb-buffer-pool-size=128M',
            '--character-set-server=utf8mb4', '--default-time-zone=+00:00', '--max-connections=1000', '--max-allowed-packet=64M',
            '--local-infile=ON', '--feedback=OFF', '--tmpdir=' + tmp]
    if os.getuid() == 0:
        argv.append('--user=root')
    if binlog:
        argv += ['--log-bin=binlog', '--binlog-format=ROW', '--binlog-row-image=FULL', '--binlog-row-metadata=FULL', '--gtid-domain-id=0',
                 '--sync-binlog=1', '--innodb-flush-log-at-trx-commit=1']
    proc = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=common.dies_with_parent)
    end = time.monotonic() + 60
    while time.monotonic() < end and proc.poll() is None:
        try:
            ask(common.connect_root(port), 'SELECT 1')
            return proc, port
        except (OSError, EOFError, SqlError):
            time.sleep(0.02)
    raise SystemExit('the MariaDB server behind it did not start (%s)' % proc.poll())

# ---- commit clock

xxh = ctypes.CDLL('libxxhash.so.0').XXH3_64bits
xxh.restype, xxh.argtypes = ctypes.c_uint64, [ctypes.c_char_p, ctypes.c_size_t]

class Clock:
    """Reads the map, again each time that it has grown."""
    def __init__(self, tso_map):
        self.ms, self.seq, self.cond, self.at, self.tso_map = [], [], threading.Condition(), 0, tso_map
        self.read()
        threading.Thread(target=self.run, daemon=True).start()

    def read(self):
        if not os.path.exists(self.tso_map):
            return
        with open(self.tso_map, 'rb') as f:
            f.seek(self.at)
            new = f.read()
        with self.cond:
            for at in range(0, len(new) - 23, 24):
                ms, seq = struct.unpack_from('<QQ', new, at)
                self.ms.append(ms)
                self.seq.append(seq)
                self.at += 24
            self.cond.notify_all()

    def run(self):
        while True:
            time.sleep(SAMPLE_S)
            self.read()

    def of_seq(self, seq):
        """The TSO of a GTID; waits for the sample that covers it."""
        with self.cond:
            if not self.cond.wait_for(lambda: self.seq and self.seq[-1] >= seq, 5):
                raise SqlError(9001, 'PD server timeout (stand-in: no sample came)')
            i = bisect.bisect_left(self.seq, seq)
            return self.ms[i] << 18 | (seq - (self.seq[i - 1] if i else 0))

    def now(self, sql):
        """The TSO of all that is committed: the sample after this instant."""
        gtid = ask(sql, 'SELECT @@gtid_binlog_pos')[0][0]
        seq = int(gtid.rsplit('-', 1)[1]) if gtid else 0
        with self.cond:
            if not self.cond.wait_for(lambda: self.seq and self.seq[-1] >= seq, 5):
                raise SqlError(9001, 'PD server timeout (stand-in: no sample came)')
            i = len(self.seq) - 1
            return self.ms[i] << 18 | (self.seq[i] - (self.seq[i - 1] if i else 0))

    def seq_at(self, ts):
        """The highest GTID whose TSO is at or below ts."""
        with self.cond:
            i = bisect.bisect_right(self.ms, ts >> 18) - 1
            if i < 0:
                raise SqlError(8055, 'snapshot is older than GC safe point')
            before = self.seq[i - 1] if i else 0
            return min(self.seq[i], before + (ts & 0x3ffff)) if self.ms[i] == ts >> 18 else self.seq[i]

class Writer(Clock):
    """The one that samples; a kept data directory goes on."""
    def __init__(self, port, tso_map):
        self.sql, self.file, self.one = common.connect_root(port), open(tso_map, 'ab', buffering=0), threading.Lock()
        Clock.__init__(self, tso_map)
        self.sample()

    def sample(self):
        with self.one:  # the thread of run() begins before the first sample is taken
            gtid = ask(self.sql, 'SELECT @@gtid_binlog_pos')[0][0]
            seq = int(gtid.rsplit('-', 1)[1]) if gtid else 0
            ms = max(int(time.time() * 1000), self.ms[-1] + 1 if self.ms else 0)
            record = struct.pack('<QQ', ms, seq)
            self.file.write(record + struct.pack('<Q', xxh(record, 16)))
            self.read()

    def run(self):
        while True:
            time.sleep(SAMPLE_S)
            try:
                self.sample()
            except (OSError, EOFError, ValueError):
                return
