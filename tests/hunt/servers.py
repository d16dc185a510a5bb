"""The ground of the hunter: three MariaDB servers (primary P, secondary S by the changefeed, R by replay of the log alone), the commit clock,
the changefeed as a process, and the redo log whose collected files are kept aside. Nothing here judges."""
import ctypes, json, os, pwd, re, shlex, shutil, signal, socket, struct, subprocess, threading, time
import pymysql, xxhash

SYSTEM = {'mysql', 'information_schema', 'performance_schema', 'sys', 'drtest_feed', 'drtest'}

def which(name):
    for d in os.environ.get('PATH', '').split(':') + ['/usr/sbin', '/usr/local/sbin']:
        if os.access(os.path.join(d, name), os.X_OK):
            return os.path.join(d, name)
    return None

def free_port():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    port = s.getsockname()[1]
    s.close()
    return port

def die_with_parent():
    os.setsid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)

class Server:
    """One mariadbd with the settings that the local ground has."""
    def __init__(self, top, name, server_id):
        self.name, self.dir = name, os.path.join(top, name)
        os.makedirs(self.dir + '/tmp')
        user = [] if os.geteuid() else ['--user=' + ('mysql' if 'mysql' in [p.pw_name for p in pwd.getpwall()] else 'nobody')]
        if user:
            entry = pwd.getpwnam(user[0][7:])
            for d in (self.dir, self.dir + '/tmp'):
                os.chown(d, entry.pw_uid, entry.pw_gid)
        self.id, self.user, self.port = server_id, user, free_port()
        subprocess.run(['mariadb-install-db', '--no-defaults', '--auth-root-authentication-method=normal', '--skip-test-db',
                        '--datadir=' + self.dir + '/data', '--tmpdir=' + self.dir + '/tmp'] + user,
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(self.dir + '/my.cnf', 'w') as f:
            f.write('[mariadbd]\ndatadir=%s/data\nsocket=%s/s\nport=%d\nbind-address=127.0.0.1\nserver-id=%d\ngtid-domain-id=0\nlog-bin=bin\n'
                    'binlog-format=ROW\nbinlog-row-image=FULL\nbinlog-row-metadata=FULL\nskip-name-resolve\n'
                    'session-track-system-variables=autocommit,character_set_client,time_zone,last_gtid\ncharacter-set-server=utf8mb4\n'
                    'default-time-zone=+00:00\ninnodb-flush-log-at-trx-commit=0\nsync-binlog=0\ninnodb-buffer-pool-size=64M\n'
                    'innodb-log-file-size=48M\nmax-connections=100\nperformance-schema=OFF\nlocal-infile=ON\npid-file=%s/pid\ntmpdir=%s/tmp\n'
                    % (self.dir, self.dir, self.port, server_id, self.dir, self.dir))
        self.start()

    def start(self):
        self.proc = subprocess.Popen([which('mariadbd'), '--defaults-file=' + self.dir + '/my.cnf'] + self.user, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=open(self.dir + '/log', 'ab'), preexec_fn=die_with_parent)
        while True:
            if self.proc.poll() is not None:
                raise RuntimeError('%s: mariadbd ended: %s' % (self.name, open(self.dir + '/log', errors='replace').read()[-600:]))
            try:
                self.connect().close()
                return
            except pymysql.Error:
                time.sleep(0.03)

    def connect(self, **more):
        return pymysql.connect(host='127.0.0.1', port=self.port, user='root', charset='utf8mb4', autocommit=True, **more)

    def uri(self):
        return 'mysql://root@127.0.0.1:%d/' % self.port

    def freeze(self):
        self.proc.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.proc.send_signal(signal.SIGCONT)

    def wipe(self):
        """Every database of a user, the changefeed's own too, and every other connection; the globals that a case may set are put back."""
        c = self.connect()
        cur = c.cursor()
        cur.execute('SELECT ID FROM information_schema.PROCESSLIST WHERE USER="root" AND ID <> CONNECTION_ID()')
        for (i,) in cur.fetchall():
            try:
                cur.execute('KILL CONNECTION %d' % i)
            except pymysql.Error:
                pass
        cur.execute('SET foreign_key_checks=0, sql_log_bin=%d' % (self.name == 'P'))
        cur.execute('SHOW DATABASES')
        for (d,) in cur.fetchall():
            if d not in SYSTEM or d.startswith('drtest'):
                try:
                    cur.execute('DROP DATABASE `%s`' % d.replace('`', '``'))
                except pymysql.Error as x:
                    if x.args[0] != 1010:
                        raise
                    shutil.rmtree('%s/data/%s' % (self.dir, d)) # files that a statement wrote there
        cur.execute('SET GLOBAL binlog_alter_two_phase=0, GLOBAL mysql56_temporal_format=1, GLOBAL max_allowed_packet=16777216')
        c.close()

    def stop(self):
        self.proc.kill()
        self.proc.wait()

class Clock:
    """The commit clock: samples of @@gtid_binlog_pos, in the form that drtest reads (harness/sql/tso_map.h)."""
    def __init__(self, server, path, every=0.02):
        self.server, self.path, self.every, self.samples, self.quit = server, path, every, [], False
        self.f = open(path, 'wb', buffering=0)
        self.conn = server.connect()
        self.lock = threading.Lock()
        self.sample()
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def position(self):
        """Server.wipe() ends this connection too: whoever asks first makes a new one."""
        with self.lock:
            for again in (True, True, False):
                try:
                    with self.conn.cursor() as cur:
                        cur.execute('SELECT @@gtid_binlog_pos')
                        text = cur.fetchone()[0]
                    return int(text.split('-')[2]) if text else 0
                except pymysql.Error:
                    if not again:
                        raise
                    self.conn = self.server.connect()

    def sample(self):
        seq = self.position()
        ms = int(time.time() * 1000)
        if self.samples and ms <= self.samples[-1][0]:
            ms = self.samples[-1][0] + 1
        body = struct.pack('<QQ', ms, seq)
        self.f.write(body + struct.pack('<Q', xxhash.xxh3_64_intdigest(body)))
        self.samples.append((ms, seq))

    def loop(self):
        while not self.quit:
            try:
                self.sample()
            except pymysql.Error:
                pass
            time.sleep(self.every)

    def tso_of(self, seq):
        """The TSO of a GTID that is committed: waits for the sample that covers it."""
        while True:
            before = None
            for ms, s in list(self.samples):
                if before is not None and before < seq <= s:
                    return ms << 18 | (seq - before)
                before = s
            time.sleep(self.every)

    def stop(self):
        self.quit = True
        self.thread.join()
        self.f.close()

def keeper(top):
    """The library that keeps a file which the changefeed removes; made once in a place."""
    library = top + '/keeper.so'
    if not os.path.exists(library):
        subprocess.run(shlex.split(os.environ.get('CC', 'gcc')) + ['-O1', '-shared', '-fPIC', '-o', library, os.path.dirname(os.path.abspath(__file__)) + '/keeper.c'], check=True)
    return library

class Feed:
    """`drtest feed`, and the files of its log: each is linked aside before the changefeed collects it."""
    def __init__(self, drtest, primary, secondary, clock, start_ts, top, options):
        self.top, self.options, self.drtest = top, options, drtest
        self.log, self.kept, self.status_path = top + '/redo', top + '/kept', top + '/status.json'
        os.makedirs(self.log)
        os.makedirs(self.kept)
        self.config = {'id': 'hunt', 'source': {'host': '127.0.0.1', 'port': primary.port, 'user': 'root', 'password': ''},
                       'sink': {'host': '127.0.0.1', 'port': secondary.port, 'user': 'root', 'password': ''}, 'tso_map': clock.path,
                       'start_ts': str(start_ts), 'redo_uri': 'file://' + self.log, 'status_path': self.status_path, 'tmp_dir': top,
                       'flush_ms': options.get('flush_ms', 150), 'meta_ms': options.get('meta_ms', 50),
                       'sink_workers': options.get('workers', 2), 'sink_batch_rows': options.get('batch', 256),
                       'max_log_bytes': options.get('max_log_bytes', 1 << 20), 'lz4': bool(options.get('lz4', False)), 'force_replicate': bool(options.get('force', False)),
                       'keyless_bytes': options.get('keyless_bytes', 0)}
        self.unpromised = set()
        self.proc, self.output = None, top + '/feed.log'
        self.library = keeper(os.path.dirname(top))
        self.start()

    def keep_once(self):
        """What the changefeed has not collected so far."""
        for name in os.listdir(self.log):
            if not name.endswith(('.meta', '.tmp')) and '.tmp.' not in name and name not in self.unpromised and not os.path.exists(self.kept + '/' + name):
                try:
                    os.link(self.log + '/' + name, self.kept + '/' + name)
                except OSError:
                    pass

    def resolved(self):
        """The log's resolvedTs, and the meta's name; (0, None) without one."""
        metas = [(0, None)]
        for name in os.listdir(self.log):
            try:
                data = open(self.log + '/' + name, 'rb').read() if name.endswith('.meta') else b''
            except FileNotFoundError: # a newer one has taken its place
                return self.resolved()
            m = re.match(rb'\x82\xaccheckpointTs\xcf(.{8})\xaaresolvedTs\xcf(.{8})', data, re.S)
            if m:
                metas.append((struct.unpack('>Q', m.group(2))[0], name))
        return max(metas, key=lambda m: m[0])

    def drop_unpromised(self):
        """What the next life of the changefeed takes back: files that lie wholly behind resolvedTs. It writes their rows again."""
        resolved = self.resolved()[0]
        self.keep_once()
        for name in os.listdir(self.kept) if resolved else ():
            m = re.search(r'^drtest-file 1 (\d+)', open(self.kept + '/' + name).read(), re.M) if name.endswith('.sum') else None
            if m and int(m.group(1)) > resolved:
                self.unpromised |= {name, name[:-4]}
        self.drop_kept()

    def drop_kept(self):
        """The changefeed itself takes them back when it starts: then they are kept once more."""
        for name in self.unpromised:
            if os.path.exists(self.kept + '/' + name):
                os.unlink(self.kept + '/' + name)

    def start(self):
        self.killed = False
        self.drop_unpromised()
        try:
            os.unlink(self.status_path)
        except FileNotFoundError:
            pass
        self.proc = subprocess.Popen([self.drtest, 'feed'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                     stderr=open(self.output, 'ab'), preexec_fn=die_with_parent,
                                     env={**os.environ, 'LD_PRELOAD': self.library, 'DRTEST_KEEP_FROM': self.log, 'DRTEST_KEEP_TO': self.kept})
        self.proc.stdin.write(json.dumps(self.config).encode())
        self.proc.stdin.close()

    def status(self):
        try:
            return json.load(open(self.status_path))
        except (OSError, ValueError):
            return {}

    def ended(self):
        return self.proc.poll() is not None

    def why(self):
        return open(self.output, errors='replace').read()[-1500:]

    def kill(self, how=signal.SIGKILL):
        if not self.ended():
            self.killed = True
            self.proc.send_signal(how)
        self.proc.wait()

    def reached(self, seq, what, patience=60):
        """Waits until the status' `what` (resolved_seq, checkpoint_seq) covers seq. None, or why it never did: progress is what counts."""
        seen, since = None, time.monotonic()
        while True:
            st = self.status()
            if st.get(what, -1) >= seq:
                return None
            if self.ended():
                return 'the changefeed ended: ' + self.why()
            now = (st.get('checkpoint_seq'), st.get('resolved_seq'), st.get('rows'), st.get('ddls'), st.get('redo_bytes'))
            if now != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since > patience:
                return 'the changefeed stands still for %d s at %s, %d is wanted: %s' % (patience, json.dumps(st), seq, self.why()[-400:])
            time.sleep(0.02)

    def whole_log(self, to, checkpoint_ts):
        """A copy of all that was ever in the log, with a meta whose checkpointTs is the start."""
        self.keep_once()
        self.drop_kept()
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.kept, to)
        for name in os.listdir(to): # its writer was killed between the two
            if name.endswith('.sum') and not os.path.exists(to + '/' + name[:-4]):
                os.unlink(to + '/' + name)
        resolved, name = self.resolved()
        if not name:
            return None
        with open(to + '/' + name, 'wb') as f:
            f.write(b'\x82\xaccheckpointTs\xcf' + struct.pack('>Q', checkpoint_ts) + b'\xaaresolvedTs\xcf' + struct.pack('>Q', resolved))
        return resolved

    def close(self):
        self.kill()
