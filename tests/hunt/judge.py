"""The judge: reads two servers whole, by plain SQL, and says where they differ. It shares no code with drtest's compare."""
import re
from servers import SYSTEM

def quote(name):
    return '`' + name.replace('`', '``') + '`'

def exact(column, kind):
    """An expression that keeps every bit of the value as text."""
    q = quote(column)
    if kind in ('float', 'double'):
        q = 'CONCAT(%s+0e0)' % q
    elif kind in ('bit', 'tinyint', 'smallint', 'mediumint', 'int', 'bigint'): # ZEROFILL's zeros are no value, and TiDB shows none
        q = 'CONCAT(%s+0)' % q
    elif kind in ('enum', 'set'):
        q = "CONCAT(%s+0,'=',%s)" % (q, q)
    elif kind not in ('char', 'varchar', 'binary', 'varbinary') and 'text' not in kind and 'blob' not in kind and kind not in (
            'geometry', 'point', 'polygon', 'linestring', 'multipoint', 'multilinestring', 'multipolygon', 'geometrycollection'):
        q = 'CONCAT(%s)' % q
    return "IF(LENGTH(%s) > 100000, CONCAT('sha:', LENGTH(%s), ':', SHA2(%s, 256)), IFNULL(HEX(%s),'NULL'))" % (q, q, q, q)

def structure(text):
    # the format of a time and where files lie are each server's own
    return re.sub(r" AUTO_INCREMENT=\d+| /\* (mariadb-5\.3|mysql-5\.6) \*/| (DATA|INDEX) DIRECTORY ?= ?'[^']*'", '', text)

def picture(server):
    """{object: (structure, rows or None, counter)}: databases, tables with rows, views."""
    c = server.connect()
    cur = c.cursor()
    cur.execute("SET time_zone='+00:00', sql_mode='', group_concat_max_len=4294967295, max_statement_time=120") # a table may be an endless sequence
    out = {}
    cur.execute('SHOW DATABASES')
    databases = [d for (d,) in cur.fetchall() if d not in SYSTEM]
    for d in databases:
        cur.execute('SHOW CREATE DATABASE ' + quote(d))
        out[d] = (cur.fetchone()[1], None, None)
        cur.execute('SELECT TABLE_NAME, TABLE_TYPE, AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s', (d,))
        for name, kind, counter in cur.fetchall():
            full = quote(d) + '.' + quote(name)
            if kind == 'VIEW':
                try:
                    cur.execute('SHOW CREATE VIEW ' + full)
                    made = cur.fetchone()[1]
                    cur.execute('SELECT * FROM ' + full)
                    out[d + '.' + name] = (made, sorted(repr(r) for r in cur.fetchall()), None)
                except Exception as x:
                    out[d + '.' + name] = ('view: %s' % x, None, None)
                continue
            if kind == 'SEQUENCE':
                continue
            cur.execute('SHOW CREATE TABLE ' + full)
            made = cur.fetchone()[1]
            cur.execute('SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s '
                        'ORDER BY ORDINAL_POSITION', (d, name))
            columns = [exact(n, k) for n, k in cur.fetchall()]
            cur.execute("SELECT CONCAT_WS(',',%s) AS r FROM %s" % (','.join(columns), full)) # a long name would be cut within a character
            out[d + '.' + name] = (structure(made), sorted(r for (r,) in cur.fetchall()), counter)
    c.close()
    return out

def with_views(p, left):
    """The names that are left out, and the views on them, on these views, ..: they show rows that are not there."""
    left = list(left)
    more = True
    while more:
        more = [n for n, (made, _, _) in p.items() if n not in left and made.startswith('CREATE ALGORITHM') and
                any('`%s`' % x.split('.', 1)[-1].replace('`', '``') in made.split(' AS ', 1)[-1] for x in left)]
        left += more
    return left

def differences(a, b, ignore=(), counters=True):
    """Lines, empty when equal. `ignore`: full names that are told to be left out."""
    out = []
    for name in sorted(set(a) | set(b)):
        if name in ignore:
            continue
        if name not in a or name not in b:
            out.append('%s is only on %s' % (name, 'the first' if name in a else 'the second'))
            continue
        (sa, ra, ca), (sb, rb, cb) = a[name], b[name]
        if sa != sb:
            out.append('structure of %s: %s\n    against %s' % (name, sa, sb))
        if ra is not None and rb is not None and ra != rb:
            missing, extra = list(ra), []
            for r in rb:
                if r in missing:
                    missing.remove(r)
                else:
                    extra.append(r)
            out.append('rows of %s: %d and %d; only on the first: %s; only on the second: %s'
                       % (name, len(ra), len(rb), [r[:200] for r in missing[:4]], [r[:200] for r in extra[:4]]))
        if counters and ca and (cb or 0) < ca:
            out.append('the AUTO_INCREMENT counter of %s is %s, behind %s' % (name, cb, ca))
    return out
