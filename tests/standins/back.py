"""What TiDB goes back with, as the recordings have it: FLASHBACK CLUSTER, TABLE and DATABASE, BDR's roles. The past is the scratch server that
tidb_snapshot is read from; what was there is dumped from it and loaded into the rows of now."""
import re, subprocess
import common
from common import SqlError, ask, ok_reply, rows_reply

NAME = r'`?(\w+)`?'
TABLE = r'(?:`?(\w+)`?\.)?`?(\w+)`?'

class Back:
    """One of each session's statements at a time; registry: what the cluster's stand-ins share."""
    def __init__(self, past, clock, port, registry):
        self.past, self.clock, self.port, self.registry = past, clock, port, registry

    def load(self, from_port, names):
        dump = subprocess.Popen(['mariadb-dump', '--no-defaults', '--host=127.0.0.1', '--port=%d' % from_port, '--user=root', '--hex-blob',
                                 '--skip-lock-tables', '--skip-tz-utc', '--default-character-set=utf8mb4'] + names, stdout=subprocess.PIPE)
        into = subprocess.run(['mariadb', '--no-defaults', '--host=127.0.0.1', '--port=%d' % self.port, '--user=root', '--binary-mode'] +
                              ([] if names[0] == '--databases' else [names[0]]), stdin=dump.stdout, capture_output=True, text=True)
        if dump.wait() or into.returncode:
            raise SqlError(1105, 'stand-in: ' + into.stderr[-300:])

    def users(self, sql):
        return [r[0] for r in ask(sql, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN "
                                       "('mysql','information_schema','performance_schema','sys','test')")]

    def cluster(self, ts, cut):
        live = common.connect_root(self.port)
        if ts > self.clock.now(live):
            raise SqlError(1292, "Incorrect time value: '{2050 1 1 0 0 0 0}'")
        if ts < self.registry().get('gc_safe_point', 0) or (ts >> 18) < self.clock.ms[0]:
            raise SqlError(8055, 'snapshot is older than GC safe point 2026-11-27 23:31:29.71 +0000 UTC')
        self.registry('PUT', {'read_only': '1'})
        try:
            cut()
            then = self.past.port_at(ts)
            old = common.connect_root(then)
            was = self.users(old)
            for db in self.users(live):
                ask(live, 'DROP DATABASE `%s`' % db)
            if was:
                self.load(then, ['--databases'] + was)
        finally:
            self.registry('PUT', {'read_only': '0'})

    def remember(self, sql, key):
        """Before a DROP or a TRUNCATE: what it takes away can be had from the TSO of now."""
        dropped = self.registry().get('dropped', {})
        dropped[key] = self.clock.now(sql)
        self.registry('PUT', {'dropped': dropped})

    def forget(self, key):
        dropped = self.registry().get('dropped', {})
        ts = dropped.pop(key, None)
        self.registry('PUT', {'dropped': dropped})
        return ts

    def table(self, db, table, to):
        live = common.connect_root(self.port)
        ts = self.registry().get('dropped', {}).get('%s.%s' % (db, table))
        if ts is None:
            raise SqlError(1105, "Can't find dropped/truncated table: %s in DDL history jobs" % table)
        if ask(live, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '%s' AND TABLE_NAME = '%s'" % (db, to)):
            raise SqlError(1050, "Table '%s' already exists" % to)
        then = self.past.port_at(ts)
        if to != table:
            ask(common.connect_root(then), 'RENAME TABLE `%s`.`%s` TO `%s`.`%s`' % (db, table, db, to))
            self.past.ts = None
        self.load(then, [db, to])
        self.forget('%s.%s' % (db, table))

    def database(self, db, to):
        live = common.connect_root(self.port)
        ts = self.registry().get('dropped', {}).get(db)
        if ts is None:
            raise SqlError(1105, "Can't find dropped database '%s' in GC safe point 2026-11-27 23:31:29.71 +0000 UTC" % db)
        if to in self.users(live):
            raise SqlError(1007, "Can't create database '%s'; database exists" % to)
        then = self.past.port_at(ts)
        ask(live, 'CREATE DATABASE `%s`' % to)
        for name, in ask(common.connect_root(then), "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '%s'" % db):
            dump = subprocess.run(['mariadb-dump', '--no-defaults', '--host=127.0.0.1', '--port=%d' % then, '--user=root', '--hex-blob', '--skip-tz-utc', db, name],
                                  capture_output=True)
            subprocess.run(['mariadb', '--no-defaults', '--host=127.0.0.1', '--port=%d' % self.port, '--user=root', '--binary-mode', to], input=dump.stdout,
                           check=True)
        self.forget(db)

    def role_refuses(self, session, t):
        """8263, where the role of BDR forbids the DDL: none of it in a secondary, the additive ones in a primary. A changefeed's sessions may."""
        if re.match(r'SET SESSION server_id', t, re.I):
            session.changefeeds = True
        if getattr(session, 'changefeeds', False) or 'drtest_feed' in t:
            return
        role = self.registry().get('bdr', '')
        ddl = re.match(r'(CREATE|DROP|ALTER|TRUNCATE|RENAME)\s+(?!USER|ROLE|IF NOT EXISTS `?(tidb_cdc|drtest))', t, re.I)
        added = re.match(r'CREATE\s+(TABLE|DATABASE|INDEX|VIEW)|ALTER\s+TABLE\s+\S+\s+ADD\s+COLUMN\s+(?!.*NOT NULL)', t, re.I | re.S)
        if ddl and (role == 'secondary' or role == 'primary' and not added):
            raise SqlError(8263, 'The operation is not allowed while the bdr role of this cluster is set to %s.' % role)

    def special(self, session, t, cut):
        """The reply to one of these statements; None: it is none."""
        def is_(pattern):
            return re.fullmatch(pattern, t, re.I | re.S)
        m = is_(r'FLASHBACK CLUSTER TO TSO (\d+)')
        if m:
            self.cluster(int(m.group(1)), cut)
            return ok_reply()
        m = is_(r'FLASHBACK DATABASE ' + NAME + r'(?: TO ' + NAME + ')?')
        if m:
            self.database(m.group(1), m.group(2) or m.group(1))
            return ok_reply()
        m = is_(r'FLASHBACK TABLE ' + TABLE + r'(?: TO ' + NAME + ')?')
        if m:
            self.table(m.group(1) or '', m.group(2), m.group(3) or m.group(2))
            return ok_reply()
        m = is_(r'ADMIN (?:SET BDR ROLE (PRIMARY|SECONDARY)|UNSET BDR ROLE)')
        if m:
            self.registry('PUT', {'bdr': (m.group(1) or '').lower()})
            return ok_reply()
        if is_('ADMIN SHOW BDR ROLE'):
            return rows_reply(['BDR_ROLE'], [[self.registry().get('bdr', '')]])
        m = is_(r'SET CONFIG tikv `log-backup.max-flush-interval` ?= ?\'(\d+)s\'')
        if m:
            session.warned = int(m.group(1)) <= 10 and ('bad request to http://127.0.0.1:20180/config: failed to update, error: "the max_flush_interval is too '
                                                        'small, it is %ss, and should be greater than 10s."' % m.group(1))
            return ok_reply()
        if is_('SHOW WARNINGS') and getattr(session, 'warned', ''):
            return rows_reply(['Level', 'Code', 'Message'], [['Warning', '1105', session.warned]])
        self.role_refuses(session, t)
        m = is_(r'(?:DROP TABLE(?: IF EXISTS)?|TRUNCATE(?: TABLE)?) ' + TABLE)
        if m and m.group(1):
            self.remember(session.live, '%s.%s' % m.groups())
        m = is_(r'DROP DATABASE(?: IF EXISTS)? ' + NAME)
        if m:
            self.remember(session.live, m.group(1))
        return None
