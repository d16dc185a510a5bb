"""A case: what is done to the primary and to the processes around it, as data; and how one is run and judged.

A case file has one instruction a line:
    # what it shows
    options {"batch": 2, "end": "disaster"}     see OPTIONS
    expect equal | held | left-out NAME,NAME | ends REGEX     held: equal, but for what is told as left out and has no key, a history, or is no table
    setup SQL                                   on all three servers, before the changefeed starts
    N SQL                                       session N on the primary; an error of the statement is a part of the history
    feed kill | feed start | secondary freeze | secondary thaw | wait log | wait sink | wait ddl | sleep MS
A statement that holds a line break stands as a JSON string."""
import json, os, re, shutil, signal, subprocess, time
import pymysql
from judge import differences, picture, with_views
from servers import Feed, die_with_parent

OPTIONS = {
    'end': 'drain',            # drain: S by the changefeed alone; disaster: kill -9 once the log is whole, then replay onto S
    'replays': ['merge', 'txn'],  # modes in which R is made from the log alone
    'stock': False,            # R is also made by what TiCDC's records alone say: without sidecars, each DDL in the database that its record names
    'kill_replay': 0,          # how often a replay is killed before it may end
    'batch': 256, 'workers': 2, 'flush_ms': 150, 'meta_ms': 50, 'max_log_bytes': 1 << 20, 'lz4': False,
    'force': False,            # force_replicate; replays are by txn --force
    'keyless_bytes': 0,        # 0: the changefeed's own limit
    'counters': True,          # AUTO_INCREMENT counters are compared
    'diff': True,              # drtest diff is held against the judge
    'sink_variables': {},      # SET GLOBAL on S and R before the start
}

class Case:
    def __init__(self, name='', about='', options=None, expect='equal', setup=None, steps=None):
        self.name, self.about, self.expect = name, about, expect
        self.options, self.setup, self.steps = dict(options or {}), list(setup or []), list(steps or [])

    def option(self, name):
        return self.options.get(name, OPTIONS[name])

    def text(self):
        def line(s):
            return json.dumps(s) if '\n' in s or s.startswith('"') else s
        out = ['# ' + l for l in self.about.splitlines()]
        if self.options:
            out.append('options ' + json.dumps(self.options, sort_keys=True))
        out.append('expect ' + self.expect)
        out += ['setup ' + line(s) for s in self.setup]
        out += ['%s %s' % (s[0], line(s[1])) for s in self.steps]
        return '\n'.join(out) + '\n'

def read(path):
    c = Case(os.path.basename(path)[:-5])
    for n, l in enumerate(open(path), 1):
        l = l.rstrip('\n')
        if not l.strip():
            continue
        word, _, rest = l.partition(' ')
        if rest.startswith('"') and word != 'options':
            rest = json.loads(rest)
        if word == '#':
            c.about += rest + '\n'
        elif word == 'options':
            c.options = json.loads(rest)
            wrong = set(c.options) - set(OPTIONS)
            if wrong:
                raise ValueError('%s:%d: no option %s' % (path, n, wrong))
        elif word == 'expect':
            c.expect = rest
        elif word == 'setup':
            c.setup.append(rest)
        elif word.isdigit() or word in ('feed', 'secondary', 'wait', 'sleep'):
            c.steps.append((int(word) if word.isdigit() else word, rest))
        else:
            raise ValueError('%s:%d: "%s" is no instruction' % (path, n, word))
    return c

class Bench:
    """The three servers, the clock, the program under test; runs one case after another."""
    def __init__(self, top, drtest, P, S, R, clock):
        self.top, self.drtest, self.P, self.S, self.R, self.clock, self.n = top, drtest, P, S, R, clock, 0
        self.yes = ['--yes'] if '--yes' in subprocess.run([drtest, 'redo', '--help'], capture_output=True, text=True).stdout else []

    def setup(self, server, c):
        conn = server.connect()
        cur = conn.cursor()
        for s in c.setup:
            try:
                cur.execute(s)
            except pymysql.Error:
                if c.expect != 'held': # a drawn table may be one that no server takes
                    raise
        for k, v in (c.option('sink_variables').items() if server is not self.P else ()):
            cur.execute('SET GLOBAL %s=%s' % (k, v))
        conn.close()

    def replay(self, log, server, mode, kills, fresh, more=()):
        argv = [self.drtest, 'redo', 'apply', '--storage', 'file://' + log, '--sink-uri', server.uri(), '--mode', mode, '--tmp-dir', self.dir]
        argv += self.yes + (['--fresh'] if fresh else []) + (['--force'] if self.force else []) + list(more)
        for k in range(kills + 1):
            with open(self.dir + '/replay.log', 'wb') as out:
                p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
                try:
                    rc = p.wait(0.02 * (k + 1) if k < kills else 600)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
                    rc = None
            if rc is not None:
                break
            argv = [a for a in argv if a != '--fresh']
        said = open(self.dir + '/replay.log', errors='replace').read()
        return None if rc == 0 else 'redo apply --mode %s: exit %s: %s' % (mode, rc, said[-700:])

    def diff(self, a, b):
        p = subprocess.run([self.drtest, 'diff', '--a', a.uri(), '--b', b.uri()], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace',
                           timeout=300)
        return p.returncode, (p.stdout + p.stderr)[-600:]

    def step(self, feed, sessions, who, what):
        if isinstance(who, int):
            if who not in sessions:
                sessions[who] = self.P.connect(read_timeout=120)
                sessions[who].query("SET innodb_lock_wait_timeout=1, lock_wait_timeout=1")
            try:
                sessions[who].query(what)
                sessions[who].affected_rows()
            except pymysql.Error as x:
                if x.args and x.args[0] in (2006, 2013):
                    sessions.pop(who)
        elif who == 'feed':
            if what == 'kill':
                feed.kill()
            elif feed.ended():
                feed.start()
        elif who == 'secondary':
            self.S.freeze() if what == 'freeze' else self.S.thaw()
        elif who == 'sleep':
            time.sleep(int(what) / 1000)
        elif who == 'wait' and what == 'ddl':
            return feed.reached(1, 'ddls')
        elif who == 'wait':
            return self.reached(feed, 'resolved_seq' if what == 'log' else 'checkpoint_seq')
        return None

    def reached(self, feed, what):
        """As feed.reached(). A log may wait for a frozen secondary in one case, which is documented: a table without a primary key that the
        primary has changed since. Then it thaws."""
        position = self.clock.position()
        bad = feed.reached(position, what, 15)
        waits = re.findall(r'structure of (\S+): the primary has already changed it; waiting for the secondary', feed.why()) if bad else []
        if waits and not self.keeps_key(waits[-1]):
            self.S.thaw()
        return feed.reached(position, what) if bad else None

    def keeps_key(self, table):
        """Has it a primary key from its first statement to its last?"""
        about = [s for s in self.statements if re.search(r'\b%s\b' % re.escape(table), s)]
        return any('CREATE TABLE ' in s and 'PRIMARY KEY' in s for s in about) and not any(re.search(r'DROP (COLUMN k|PRIMARY KEY)', s) for s in about)

    def run(self, c):
        """[] when all is as expected, else lines that say what is not."""
        self.n += 1
        self.force = c.option('force')
        self.statements = c.setup + [what for _, what in c.steps]
        self.dir = '%s/case-%d' % (self.top, self.n)
        os.makedirs(self.dir)
        for s in (self.P, self.S, self.R):
            s.wipe()
        for s in (self.P, self.S, self.R):
            self.setup(s, c)
        position = self.clock.position()
        start_ts = self.clock.tso_of(position)
        feed = Feed(self.drtest, self.P, self.S, self.clock, start_ts, self.dir, {**OPTIONS, **c.options})
        sessions = {}
        try:
            return self.judged(c, feed, sessions, position, start_ts)
        finally:
            self.S.thaw()
            feed.close()
            for s in sessions.values():
                try:
                    s.close()
                except pymysql.Error:
                    pass
            shutil.rmtree(self.dir, ignore_errors=True)

    def judged(self, c, feed, sessions, position, start_ts):
        bad = None
        for who, what in [('wait', 'log')] + c.steps:
            bad = self.step(feed, sessions, who, what)
            if bad:
                break
        for s in sessions.values(): # what is open is rolled back before the end is measured
            try:
                s.close()
            except pymysql.Error:
                pass
        sessions.clear()
        self.S.thaw()
        if c.expect.startswith('ends '):
            bad = bad or feed.reached(1 << 62, 'resolved_seq', 10)
            last = [l for l in feed.why().split('\n') if ' error ' in l][-1:]
            if not feed.ended() or not last or not re.search(c.expect[5:], last[0]):
                return ['it should have ended with /%s/: %s' % (c.expect[5:], bad)]
            changed = differences(picture(self.R), picture(self.S), (), False)
            if changed or c.option('end') != 'disaster': # its way out: the log
                return ['S was changed before the end: ' + d for d in changed]
            bad = self.replay(feed.log, self.S, c.option('replays')[0], c.option('kill_replay'), False)
            return ['onto the secondary: ' + bad] if bad else ['S: ' + d for d in differences(picture(self.P), picture(self.S), (), c.option('counters'))]
        if not bad and c.option('end') == 'drain':
            if feed.ended():
                feed.start()
            bad = feed.reached(self.clock.position(), 'checkpoint_seq')
        elif not bad and not feed.killed:
            bad = self.reached(feed, 'resolved_seq')
        if bad:
            return [bad]
        status = feed.status()
        left = [x if isinstance(x, str) else x.get('name', '') for x in status.get('left_out', [])]
        wanted = c.expect[9:].split(',') if c.expect.startswith('left-out ') else []
        out = ['%s should be told as left out: %s' % (w, left) for w in wanted if w not in left]
        if c.expect == 'equal' and left:
            out.append('left out although it can be carried: %s' % left)
        if c.expect == 'held':
            p = picture(self.P)
            out += ['left out although it can be carried: %s: %s' % (n, p[n][0]) for n in left if n in p and p[n][1] is not None and
                    'PRIMARY KEY' in p[n][0] and 'SYSTEM VERSIONING' not in p[n][0]]
        feed.kill()
        if c.option('end') == 'disaster':
            bad = self.replay(feed.log, self.S, (c.option('replays') + ['merge'])[0], c.option('kill_replay'), False)
            if bad:
                return out + ['onto the secondary: ' + bad]
        return out + self.compare_all(c, feed, start_ts, left)

    def compare_all(self, c, feed, start_ts, left):
        p = picture(self.P)
        left = with_views(p, left)
        out = ['S: ' + d for d in differences(p, picture(self.S), left, c.option('counters'))]
        for mode in c.option('replays') + (['stock'] if c.option('stock') else []):
            log, stock = self.dir + '/whole', mode == 'stock'
            if feed.whole_log(log, start_ts) is None:
                out.append('the log has no meta')
                break
            for name in os.listdir(log) if stock else ():
                if name.endswith('.sum'):
                    os.unlink(log + '/' + name)
            self.R.wipe()
            self.setup(self.R, c)
            bad = self.replay(log, self.R, 'merge' if stock else mode, c.option('kill_replay'), True, ['--time-zone', '+00:00'] if stock else ())
            out += ['R: ' + bad] if bad else ['R by %s: %s' % (mode, d) for d in differences(p, picture(self.R), left, c.option('counters'))]
        if c.option('diff') and not left and not out:
            out += self.hold_diff(p)
        return out

    def hold_diff(self, p):
        """drtest diff says what the judge says: of the equal pair, and of the same pair with one difference planted."""
        rc, said = self.diff(self.P, self.S)
        if rc == 4 and not any('.' in n for n in p) and 'neither side has a table' in said:
            return []
        if rc:
            return ['drtest diff of an equal pair: exit %d: %s' % (rc, said)]
        tables = [n for n in sorted(p) if p[n][1]]
        if not tables:
            return []
        name = tables[self.n % len(tables)]
        conn = self.S.connect()
        cur = conn.cursor()
        d, t = name.split('.', 1)
        full = '`%s`.`%s`' % (d, t.replace('`', '``'))
        cur.execute('SET foreign_key_checks=0')
        cur.execute("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND EXTRA NOT LIKE '%%GENERATED%%'"
                    " AND IS_NULLABLE='YES' AND COLUMN_KEY=''", (d, t))
        free = [n for (n,) in cur.fetchall()]
        try:
            if free and self.n % 2:
                col = '`%s`' % free[self.n % len(free)].replace('`', '``')
                cur.execute('UPDATE %s SET %s = NULL WHERE %s IS NOT NULL LIMIT 1' % (full, col, col))
            else:
                cur.execute('DELETE FROM %s LIMIT 1' % full)
        except pymysql.Error:
            return []
        conn.close()
        unlike = differences(p, picture(self.S), (), False)
        rc, said = self.diff(self.P, self.S)
        if unlike and rc != 1:
            return ['drtest diff sees no planted difference: exit %d: %s; the judge: %s' % (rc, said, unlike[0][:300])]
        return []
