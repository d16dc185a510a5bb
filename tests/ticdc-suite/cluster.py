"""A TiDB of `tiup playground`, as the suite and the faults of TiCDC need it: SQL, TiCDC's API, a wipe between two cases."""
import glob, json, os, re, shutil, signal, subprocess, time, urllib.error, urllib.request
import pymysql
from servers import SYSTEM, die_with_parent

class TiDB:
    """A `tiup playground`: one of each component, ports by an offset."""
    def __init__(self, work, name, offset, version, ticdc, tag):
        self.name, self.port, self.cdc = name, 4000 + offset, 8300 + offset
        self.log, self.globals = '%s/%s.log' % (work, name), {}
        self.tag = '%s-%s-%d' % (tag, name, os.getpid())
        self.proc = subprocess.Popen(['tiup', 'playground', version, '--tag', self.tag, '--db', '1', '--pd', '1', '--kv', '1', '--tiflash', '0',
                                      '--ticdc', str(int(ticdc)), '--port-offset', str(offset), '--without-monitor'], env=dict(os.environ, TZ='UTC'),
                                     stdin=subprocess.DEVNULL, stdout=open(self.log, 'wb'), stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        end = time.monotonic() + 300
        while True:
            try:
                self.query('SELECT tidb_version()')
                break
            except pymysql.Error:
                if self.proc.poll() is not None or time.monotonic() > end:
                    raise RuntimeError('%s does not start: %s' % (name, open(self.log, errors='replace').read()[-800:]))
                time.sleep(0.5)
        if ticdc:
            while self.api('GET', '/api/v2/health')[0] != 200:
                time.sleep(0.5)

    def connect(self, **more):
        return pymysql.connect(host='127.0.0.1', port=self.port, user='root', charset='utf8mb4', autocommit=True, read_timeout=200, **more)

    def query(self, *statements):
        c = self.connect()
        try:
            with c.cursor() as cur:
                for s in statements:
                    cur.execute(s)
                return cur.fetchall()
        finally:
            c.close()

    def tso(self):
        return int(self.query('BEGIN', 'SELECT @@tidb_current_ts')[0][0])

    def uri(self):
        return 'mysql://root@127.0.0.1:%d/' % self.port

    def api(self, method, path, body=None):
        q = urllib.request.Request('http://127.0.0.1:%d%s' % (self.cdc, path), json.dumps(body).encode() if body else None, method=method,
                                   headers={'Content-Type': 'application/json'})
        try:
            with urllib.request.urlopen(q, timeout=60) as r:
                return r.status, json.loads(r.read() or b'null')
        except urllib.error.HTTPError as x:
            return x.code, x.read().decode(errors='replace')[:400]
        except OSError as x:
            return 0, str(x)

    def last_words(self):
        """What TiCDC's own log ends with: its panic or fatal error, else its last error."""
        text = ''
        for f in glob.glob(os.path.expanduser('~/.tiup/data/%s/*cdc-*/*cdc*.log' % self.tag)):
            text += open(f, errors='replace').read()[-200000:]
        found = re.findall(r'(?m)^(?:panic: .*|fatal error: .*|.*\[(?:PANIC|FATAL)\].*)$', text) or re.findall(r'(?m)^.*\[ERROR\].*$', text)
        return found[-1][:400] if found else 'its log tells no error'

    def wipe(self):
        try:
            self.query('ADMIN UNSET BDR ROLE')
        except pymysql.Error:
            pass
        for name, value in self.globals.items():
            self.query('SET GLOBAL %s = %s' % (name, value))
        self.globals = {}
        for (d,) in self.query('SHOW DATABASES'):
            if d.lower() not in SYSTEM | {'metrics_schema'} or d.startswith('drtest'):
                self.query('DROP DATABASE `%s`' % d)
        self.query('CREATE DATABASE IF NOT EXISTS test')

    def keep_global(self, statement):
        """A test's SET GLOBAL holds for that test alone."""
        for name in re.findall(r'(?i)(?:global\s+|@@global\.)(\w+)\s*:?=', statement):
            value = self.query('SELECT @@GLOBAL.' + name)[0][0]
            self.globals.setdefault(name, value if isinstance(value, int) else "'%s'" % str(value).replace("'", "''"))

    def stop(self):
        os.killpg(self.proc.pid, signal.SIGINT)
        try:
            self.proc.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait()
        shutil.rmtree(os.path.expanduser('~/.tiup/data/' + self.tag), ignore_errors=True)
