"""Cases by seed: random schemas, sessions, transactions and DDLs (`draw`), and directed ones for what chance seldom meets (DIRECTED)."""
import random, re
from case import Case

CHARSETS = [('utf8mb4', c) for c in ('utf8mb4_general_ci', 'utf8mb4_bin', 'utf8mb4_unicode_nopad_ci', 'utf8mb4_lithuanian_ci')] + [
    ('latin1', 'latin1_swedish_ci'), ('latin1', 'latin1_bin'), ('gbk', 'gbk_chinese_ci'), ('sjis', 'sjis_japanese_ci'), ('koi8r', 'koi8r_general_ci'),
    ('ucs2', 'ucs2_general_ci'), ('cp1251', 'cp1251_general_ci'), ('ascii', 'ascii_general_ci'), ('utf16', 'utf16_bin')]
TEXT = ["''", "'a'", "'A'", "'b '", "'~y'", "'0'", "'\\\\'", "'it''s'", "'\u00e9'", "'y001'", "'~001'", "'null'", "'1e3'", "'%_'"]

def text(r):
    return r.choice(TEXT) if r.random() < 0.5 else "'%s%d'" % (r.choice('abAByY~'), r.randrange(30))

def number(lo, hi):
    return lambda r: str(r.choice([lo, hi, 0, 1, r.randint(max(lo, -50), min(hi, 50)), r.randint(lo, hi)]))

TYPES = {
    'TINYINT': number(-128, 127), 'SMALLINT UNSIGNED': number(0, 65535), 'MEDIUMINT': number(-8388608, 8388607), 'INT': number(-2**31, 2**31 - 1),
    'INT UNSIGNED': number(0, 2**32 - 1), 'BIGINT': number(-2**63, 2**63 - 1), 'BIGINT UNSIGNED': number(0, 2**64 - 1),
    'DECIMAL(30,2)': lambda r: '%d.%02d' % (r.choice([0, -1, 12345678901234567890, r.randrange(100)]), r.randrange(100)),
    'DECIMAL(10,5)': lambda r: '%.5f' % r.uniform(-99999, 99999), 'DOUBLE': lambda r: r.choice(['0', '-1.5', '1e300', '0.1', '3.3333333333333335', '1e-10', str(r.random())]),
    'FLOAT': lambda r: r.choice(['0', '1.5', '-2.25', '0.1', '1e10']), 'BIT(17)': lambda r: "b'%s'" % bin(r.randrange(1 << 17))[2:],
    'VARCHAR(40)': text, 'CHAR(9)': text, 'TEXT': text, 'BINARY(5)': lambda r: "x'%s'" % bytes(r.randrange(256) for _ in range(r.randrange(6))).hex(),
    'VARBINARY(12)': lambda r: "x'%s'" % bytes(r.randrange(256) for _ in range(r.randrange(12))).hex(),
    'BLOB': lambda r: "REPEAT(x'00ff5c27', %d)" % r.choice([0, 1, 30, 3000]),
    'DATE': lambda r: r.choice(["'2024-02-29'", "'1000-01-01'", "'9999-12-31'", "'2020-01-%02d'" % r.randint(1, 28)]),
    'DATETIME(6)': lambda r: "'2021-03-28 02:%02d:%02d.%06d'" % (r.randrange(60), r.randrange(60), r.randrange(1000000)),
    'TIMESTAMP(3) NULL': lambda r: "'2021-10-31 0%d:30:00.%03d'" % (r.randrange(1, 5), r.randrange(1000)),
    'TIME(2)': lambda r: r.choice(["'-838:59:59'", "'838:59:59'", "'-00:00:01.25'", "'12:%02d:00.5'" % r.randrange(60)]), 'YEAR': lambda r: str(r.choice([1901, 2155, 2024])),
    "ENUM('a','B','c''d')": lambda r: r.choice(["'a'", "'B'", "'c''d'"]), "SET('x','y','z')": lambda r: r.choice(["''", "'x'", "'x,z'", "'x,y,z'"]),
    'JSON': lambda r: r.choice(["'{}'", "'[1, \"a\", null]'", "'{\"k\": 1.50}'"]),
}
KEYS = ['INT', 'BIGINT UNSIGNED', 'DECIMAL(30,2)', 'VARCHAR(40)', 'CHAR(9)', 'VARBINARY(12)', 'DATETIME(6)', 'DATE', 'TIME(2)', "ENUM('a','B','c''d')", 'BINARY(5)',
        'DOUBLE', 'BIT(17)', 'TINYINT', 'YEAR']

class Table:
    def __init__(self, r, db, name):
        self.db, self.name, self.cols, self.auto, self.n = db, name, {}, False, 0
        form = r.choice(['auto', 'auto', 'one', 'one', 'one', 'two', 'two', 'unique', 'unique', 'none'])
        keys, parts = [], []
        if form == 'auto':
            self.auto = True
            parts.append('id INT AUTO_INCREMENT PRIMARY KEY')
            self.cols['id'] = number(1, 60)
        elif form != 'none':
            for i in range(2 if form == 'two' else 1):
                kind = r.choice(KEYS)
                keys.append('k%d' % i)
                parts.append('k%d %s%s NOT NULL' % (i, kind, self.charset(r, kind)))
                self.cols['k%d' % i] = TYPES[kind]
            parts.append(('UNIQUE KEY hk (%s)' if form == 'unique' else 'PRIMARY KEY (%s)') % ', '.join(keys))
        for i in range(r.randint(1, 5)):
            kind = r.choice(list(TYPES))
            extra = r.choice(['', '', '', ' NOT NULL', ' INVISIBLE']) if 'TIMESTAMP' not in kind else ''
            parts.append('c%d %s%s%s' % (i, kind, self.charset(r, kind), extra))
            self.cols['c%d' % i] = TYPES[kind]
        if r.random() < 0.5:
            parts.append('u %s NULL UNIQUE' % r.choice(['INT', 'VARCHAR(40)', 'DECIMAL(30,2)']))
            self.cols['u'] = lambda r: r.choice(['NULL', str(r.randrange(12)), "'%d'" % r.randrange(12)])
        if r.random() < 0.3:
            parts.append('g INT AS (LENGTH(%s)) %s' % (r.choice(list(self.cols)), r.choice(['STORED', 'VIRTUAL'])))
        if r.random() < 0.15:
            parts.append('CHECK (%s IS NULL OR %s IS NOT NULL)' % (list(self.cols)[-1], list(self.cols)[-1]))
        if r.random() < 0.1:
            parts.append('x%s INT DEFAULT (1 + 2) COMMENT "it\'s"' % name)
        more = r.choice(['', '', '', '', ' ENGINE=Aria', ' ROW_FORMAT=COMPRESSED', ' COMMENT=";--"'])
        if more == ' ENGINE=Aria' and any(re.search(r'^k\d CHAR.* (ucs2|utf16|utf32) ', p) for p in parts):
            more = '' # MariaDB itself finds no row by such a key: docs/CHANGEFEED.md
        self.create = 'CREATE TABLE %s (%s)%s%s' % (self.full(), ', '.join(parts), more,
                                                    ' PARTITION BY KEY (%s) PARTITIONS 3' % list(self.cols)[0] if form in ('one', 'auto') and 'UNIQUE' not in ''.join(parts) and r.random() < 0.2
                                                    else ' WITH SYSTEM VERSIONING' if r.random() < 0.04 else '')

    @staticmethod
    def charset(r, kind):
        if not kind.startswith(('VARCHAR', 'CHAR', 'TEXT')) or r.random() < 0.5:
            return ''
        return ' CHARACTER SET %s COLLATE %s' % r.choice(CHARSETS)

    def full(self):
        return '%s.%s' % (self.db, self.name)

    def row(self, r):
        return ', '.join('NULL' if c[0] == 'c' and r.random() < 0.1 else f(r) for c, f in self.cols.items())

    def dml(self, r):
        col = r.choice(list(self.cols))
        where = '%s = %s' % (lambda c: (c, self.cols[c](r)))(r.choice(list(self.cols))) if r.random() < 0.6 else '1 ORDER BY 1 LIMIT %d' % r.randint(1, 4)
        names = ', '.join(self.cols)
        return r.choice([
            lambda: 'INSERT IGNORE INTO %s (%s) VALUES (%s)' % (self.full(), names, '), ('.join(self.row(r) for _ in range(r.randint(1, 5)))),
            lambda: 'REPLACE INTO %s (%s) VALUES (%s)' % (self.full(), names, self.row(r)),
            lambda: 'INSERT INTO %s (%s) VALUES (%s) ON DUPLICATE KEY UPDATE %s = %s' % (self.full(), names, self.row(r), col, self.cols[col](r)),
            lambda: 'UPDATE IGNORE %s SET %s = %s WHERE %s' % (self.full(), col, self.cols[col](r), where),
            lambda: 'UPDATE %s SET %s = %s WHERE %s' % (self.full(), col, self.cols[col](r), where),
            lambda: 'DELETE FROM %s WHERE %s' % (self.full(), where),
        ])()

SESSION = ["SET time_zone='+05:00'", "SET time_zone='-11:30'", "SET sql_mode=''", "SET sql_mode='ANSI_QUOTES'", "SET sql_mode='PIPES_AS_CONCAT'",
           "SET sql_mode='NO_BACKSLASH_ESCAPES'", "SET timestamp=1600000000.25", 'SET auto_increment_increment=7, auto_increment_offset=3',
           "SET collation_connection=utf8mb4_bin", "SET collation_server=latin1_swedish_ci", 'SET foreign_key_checks=0', 'SET explicit_defaults_for_timestamp=0',
           'SET check_constraint_checks=0', 'SET unique_checks=0', 'SET binlog_alter_two_phase=1', 'SET innodb_strict_mode=OFF', 'SET NAMES latin1', 'SET NAMES utf8mb4',
           "SET character_set_server=latin1"]

def ddl(r, tables, n):
    t, o = r.choice(tables), r.choice(tables)
    c = r.choice(list(t.cols))
    full = t.full()
    return r.choice([
        "ALTER TABLE %s ADD COLUMN x%d TIMESTAMP NULL DEFAULT '2020-01-01 12:00:00'" % (full, n), 'ALTER TABLE %s ADD COLUMN x%d DATETIME DEFAULT CURRENT_TIMESTAMP' % (full, n),
        'ALTER TABLE %s ADD COLUMN x%d INT DEFAULT %d FIRST' % (full, n, n), "ALTER TABLE %s ADD COLUMN x%d VARCHAR(20) AS ('a'||'b') STORED" % (full, n),
        'ALTER TABLE %s ADD INDEX (%s)' % (full, c), 'ALTER TABLE %s ADD UNIQUE (%s)' % (full, c), 'ALTER TABLE %s ADD CHECK (%s IS NOT NULL OR 1=1)' % (full, c),
        'ALTER TABLE %s COMMENT "%d"' % (full, n), 'RENAME TABLE %s TO %s.tmp, %s TO %s, %s.tmp TO %s' % (full, t.db, o.full(), full, t.db, o.full()),
        'CREATE TABLE d.y%d LIKE %s' % (n, full), 'DROP TABLE IF EXISTS d.y%d, nosuch' % r.randrange(n + 1), 'CREATE VIEW d.v%d AS SELECT %s, \'a\'=\'A\' AS q FROM %s' % (n, c, full),
        'TRUNCATE TABLE %s' % full, 'CREATE DATABASE IF NOT EXISTS z%d' % n, 'ALTER DATABASE d CHARACTER SET latin1', 'USE d', 'USE e',
        'CREATE TABLE IF NOT EXISTS w%d (id INT PRIMARY KEY, a TIMESTAMP, b TIMESTAMP)' % n, 'INSERT INTO w%d (id) VALUES (%d)' % (r.randrange(n + 1), n), 'DROP TABLE w%d' % r.randrange(n + 1),
        'ALTER TABLE %s MODIFY %s %s' % (full, c, r.choice(list(TYPES))), 'ALTER TABLE %s CONVERT TO CHARACTER SET %s' % (full, r.choice(['latin1', 'utf8mb4', 'gbk'])),
        'ALTER TABLE %s CHANGE %s r%d %s' % (full, c, n, r.choice(list(TYPES))), 'ALTER TABLE %s DROP COLUMN %s' % (full, c), 'ALTER TABLE %s DROP COLUMN IF EXISTS x%d' % (full, r.randrange(n + 1)),
        'CREATE TABLE d.fk%d (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES %s (%s))' % (n, full, c), 'INSERT INTO d.fk%d VALUES (%d, %d)' % (r.randrange(n + 1), n, n % 9),
        'CREATE SEQUENCE d.sq%d' % n, 'SELECT NEXTVAL(d.sq%d)' % r.randrange(n + 1), 'ALTER TABLE %s DROP PRIMARY KEY, ADD PRIMARY KEY (%s)' % (full, c), 'DROP DATABASE IF EXISTS z%d' % r.randrange(n + 1),
        'CREATE TRIGGER d.tr%d AFTER INSERT ON %s FOR EACH ROW SET @x = 1' % (n, full), 'CREATE FUNCTION d.f%d() RETURNS INT DETERMINISTIC RETURN %d' % (n, n), 'CREATE VIEW d.fv%d AS SELECT d.f%d()' % (n, r.randrange(n + 1)),
        'RENAME TABLE %s TO e.moved%d' % (full, n), 'RENAME TABLE e.moved%d TO %s' % (r.randrange(n + 1), full), 'DROP VIEW IF EXISTS d.v%d' % r.randrange(n + 1), 'OPTIMIZE TABLE %s' % full,
        'ALTER TABLE %s ADD PARTITION PARTITIONS 1' % full, 'ALTER TABLE %s COALESCE PARTITION 1' % full, 'ALTER TABLE %s ADD COLUMN IF NOT EXISTS x1 ENUM("a","é") DEFAULT "é" AFTER %s' % (full, c),
        'CREATE OR REPLACE TABLE d.y%d (id INT PRIMARY KEY, v VARCHAR(9))' % n, 'ANALYZE TABLE %s' % full, 'CREATE TABLE "q%d" ("id" INT PRIMARY KEY)' % n,
    ])

def draw(seed):
    r = random.Random(seed)
    tables = [Table(r, r.choice('dde'), 't%d' % i) for i in range(r.randint(1, 3))]
    c = Case('seed-%d' % seed, 'drawn by seed %d' % seed, expect='held')
    c.setup = ['CREATE DATABASE d', 'CREATE DATABASE e'] + [t.create for t in tables]
    c.options = {'end': r.choice(['drain', 'disaster']), 'replays': [r.choice(['merge', 'txn'])], 'kill_replay': r.choice([0, 0, 1, 2]),
                 'batch': r.choice([2, 3, 8, 256]), 'workers': r.choice([1, 2, 4]), 'flush_ms': r.choice([60, 150, 600]),
                 'max_log_bytes': r.choice([60000, 200000, 1 << 20]), 'lz4': r.random() < 0.2, 'counters': False}
    ddls, frozen = r.random() < 0.5, False
    for n in range(r.choice([10, 30, 60])):
        s = r.randrange(3)
        x = r.random()
        if x < 0.06:
            c.steps.append((s, r.choice(SESSION)))
        elif ddls and x < 0.18:
            c.steps.append((s, ddl(r, tables, n)))
        elif x < 0.21:
            c.steps += [('feed', 'kill'), ('feed', 'start')]
        elif x < 0.24:
            frozen = not frozen
            c.steps.append(('secondary', 'freeze' if frozen else 'thaw'))
        elif x < 0.26:
            c.steps.append(('wait', 'log'))
        elif x < 0.30:
            c.steps.append(('sleep', str(r.choice([30, 200]))))
        else:
            body = [r.choice(tables).dml(r) for _ in range(r.randint(1, 8))]
            if r.random() < 0.3:
                at = r.randrange(len(body) + 1)
                body[at:at] = ['SAVEPOINT s%d' % r.randrange(2)] + [r.choice(tables).dml(r) for _ in range(r.randint(1, 3))] + ['ROLLBACK TO s%d' % r.randrange(2)]
            if r.random() < 0.15:
                body.insert(0, 'CREATE TEMPORARY TABLE d.tt%d (a INT)' % n)
            c.steps += [(s, q) for q in ['BEGIN'] + body + ['ROLLBACK' if r.random() < 0.1 else 'COMMIT']]
    return c

def unique_moves(r):
    """Unique values move between rows where the sink's batches are cut."""
    c = Case('unique-moves', options={'batch': 2, 'workers': r.choice([1, 2]), 'end': r.choice(['drain', 'disaster'])})
    c.setup = ['CREATE DATABASE d', 'CREATE TABLE d.t (id INT PRIMARY KEY, u VARCHAR(10) UNIQUE, v INT)'] + ["INSERT INTO d.t VALUES (%d, 'u%d', 0)" % (i, i) for i in range(12)]
    for n in range(40):
        a, b = r.sample(range(12), 2)
        c.steps += [(0, 'BEGIN'), (0, 'SELECT u INTO @a FROM d.t WHERE id=%d' % a), (0, 'SELECT u INTO @b FROM d.t WHERE id=%d' % b),
                    (0, 'UPDATE d.t SET u=NULL WHERE id=%d' % a), (0, 'UPDATE d.t SET u=@a, v=v+1 WHERE id=%d' % b), (0, 'UPDATE d.t SET u=@b WHERE id=%d' % a), (0, 'COMMIT')]
        c.steps += [(0, 'UPDATE d.t SET v=v+1 WHERE id=%d' % r.randrange(12)) for _ in range(r.randrange(4))]
    return c

def renames_in_circles(r):
    """DDLs that are not the same when done twice, with the changefeed killed behind each."""
    c = Case('renames', options={'end': 'disaster', 'flush_ms': 400, 'counters': False})
    c.setup = ['CREATE DATABASE d'] + ['CREATE TABLE d.%s (id INT PRIMARY KEY, p INT, q INT)' % t for t in 'xyz'] + ["INSERT INTO d.%s VALUES (1, %d, %d)" % (t, i, i + 10) for i, t in enumerate('xyz')]
    for n in range(3):
        c.steps.append((0, r.choice(['RENAME TABLE d.x TO d.t, d.y TO d.x, d.t TO d.y', 'ALTER TABLE d.x RENAME COLUMN p TO q, RENAME COLUMN q TO p', 'ALTER TABLE d.z ADD INDEX (p)',
                                     'ALTER TABLE d.z CHANGE p q INT, CHANGE q p INT', 'RENAME TABLE d.x TO d.t, d.y TO d.x, d.z TO d.y, d.t TO d.z', 'ALTER TABLE d.y ADD CHECK (p > -%d)' % n])))
        if r.random() < 0.7:
            c.steps += [('sleep', str(r.choice([50, 300]))), ('feed', 'kill'), ('feed', 'start')]
        c.steps.append((0, 'UPDATE d.x SET p = p + 100'))
    c.steps += [(0, r.choice(['RENAME TABLE d.x TO d.t, d.y TO d.x, d.t TO d.y', 'ALTER TABLE d.x RENAME COLUMN p TO q, RENAME COLUMN q TO p'])), ('wait', 'log'), ('sleep', str(r.choice([0, 60, 300])))]
    return c

def exchange(r):
    """EXCHANGE PARTITION, TRUNCATE PARTITION and rows between them."""
    c = Case('exchange', options={'end': r.choice(['drain', 'disaster']), 'counters': False})
    c.setup = ['CREATE DATABASE d', 'CREATE TABLE d.x (id INT PRIMARY KEY, v INT)', 'CREATE TABLE d.pt (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN MAXVALUE)',
               'INSERT INTO d.x VALUES (1,1),(2,2)', 'INSERT INTO d.pt VALUES (3,3),(200,200)']
    for n in range(12):
        c.steps.append((0, r.choice(['ALTER TABLE d.pt EXCHANGE PARTITION p0 WITH TABLE d.x', 'ALTER TABLE d.pt TRUNCATE PARTITION p1', 'REPLACE INTO d.x VALUES (%d,%d)' % (r.randrange(90), n), 'REPLACE INTO d.pt VALUES (%d,%d)' % (r.randrange(300), n),
                                     'ALTER TABLE d.pt REORGANIZE PARTITION p1 INTO (PARTITION p1 VALUES LESS THAN (%d), PARTITION p%d VALUES LESS THAN MAXVALUE)' % (200 + n, n + 5), 'UPDATE d.pt SET v=v+1'])))
    return c

def savepoints(r):
    """What a transaction that can't be rolled back safely leaves in the binary log."""
    c = Case('savepoints', options={'end': r.choice(['drain', 'disaster'])})
    c.setup = ['CREATE DATABASE d', 'CREATE TABLE d.i (id INT PRIMARY KEY, v INT)', 'CREATE TABLE d.m (id INT PRIMARY KEY, v INT) ENGINE=MyISAM', 'INSERT INTO d.i VALUES (1,1),(2,2),(3,3)']
    for n in range(8):
        body = [r.choice(['CREATE TEMPORARY TABLE d.tt%d (a INT)' % n, 'INSERT INTO d.m VALUES (%d,%d)' % (n, n), 'UPDATE d.i SET v=v+1'])]
        depth = []
        for _ in range(r.randint(3, 9)):
            x = r.random()
            if x < 0.3:
                depth.append(r.choice('abA'))
                body.append('SAVEPOINT ' + depth[-1])
            elif x < 0.5 and depth:
                body.append('ROLLBACK TO ' + r.choice(depth))
            else:
                body.append(r.choice(['INSERT IGNORE INTO d.i VALUES (%d,%d)' % (r.randrange(20), n), 'UPDATE d.i SET v=%d WHERE id=%d' % (n, r.randrange(20)), 'DELETE FROM d.i WHERE id=%d' % r.randrange(20)]))
        c.steps += [(0, q) for q in ['BEGIN'] + body + [r.choice(['COMMIT', 'COMMIT', 'ROLLBACK'])]]
    return c

def long_names(r):
    """Identifiers at their 64-character limit, with quotes, dots and blanks."""
    name = lambda x: (x + 'n. ` %s\u00e9' % r.randrange(9)).ljust(64 if r.random() < 0.5 else 20, 'x').replace('`', '``')
    t, col = name('T'), name('c')
    c = Case('long-names', options={'end': r.choice(['drain', 'disaster'])})
    c.setup = ['CREATE DATABASE `d-%s`' % ('x' * 62), 'USE `d-%s`' % ('x' * 62), 'CREATE TABLE `%s` (`%s` INT PRIMARY KEY, v INT)' % (t, col)]
    db = '`d-%s`' % ('x' * 62)
    for n in range(6):
        c.steps += [(0, 'USE ' + db), (0, 'REPLACE INTO `%s` VALUES (%d,%d)' % (t, n % 4, n)), (0, 'ALTER TABLE `%s` ADD COLUMN `%s` INT DEFAULT 1' % (t, name('a%d' % n))), (0, 'UPDATE `%s` SET v=v+1' % t)]
    return c

def big_rows(r):
    """Rows near max_allowed_packet."""
    c = Case('big-rows', options={'end': r.choice(['drain', 'disaster']), 'diff': False, 'max_log_bytes': 64 << 20})
    c.setup = ['CREATE DATABASE d', 'CREATE TABLE d.t (id INT PRIMARY KEY, b LONGBLOB, c LONGTEXT)']
    for n in range(3):
        size = r.choice([1 << 20, 7 << 20, 9 << 20, 15 << 20])
        c.steps.append((0, 'INSERT INTO d.t VALUES (%d, REPEAT(x\'00ff27\', %d), REPEAT(\'\\\'a\\\\\', %d))' % (n, size // 3 if n % 2 else 3, 2 if n % 2 else size // 4)))
    c.steps.append((0, 'UPDATE d.t SET id = id + 10'))
    return c

DIRECTED = [unique_moves, renames_in_circles, exchange, savepoints, long_names, big_rows]

def directed(seed):
    r = random.Random(seed)
    f = DIRECTED[seed % len(DIRECTED)]
    c = f(r)
    c.name += '-%d' % seed
    c.about = f.__doc__ + ' Drawn by seed %d.' % seed
    return c
