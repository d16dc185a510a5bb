"""What TiCDC's integration tests type on the upstream, in their order: SQL files and single statements. Read from a checkout of pingcap/tiflow."""
import collections, glob, os, re

CALL = re.compile(r"""run_sql(?P<kind>_file|_ignore_error)?\s+(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<bare>\$CUR/\S+))(?P<rest>[^\n]*)""")
YCSB = re.compile(r'go-ycsb load mysql [^\n]*?mysql\.db=(\w+)')
DATA_ORDER = {'schema': 0, 'prepare': 1, 'create': 2, 'create_table': 2, 'up': 2, 'data': 3, 'test': 4, 'run': 4}

def statements(text):
    """Split at semicolons outside of quotes and comments, as the mysql client does it."""
    out, at, i, quote = [], 0, 0, None
    text = re.sub(r'(?im)^\s*delimiter\s+.*$', '', text)
    while i < len(text):
        ch = text[i]
        if quote:
            if ch == '\\' and quote != '`':
                i += 1
            elif ch == quote:
                quote = None
        elif ch in '\'"`':
            quote = ch
        elif re.match(r'--\s', text[i:i + 3]) or ch == '#':
            j = text.find('\n', i)
            text = text[:i] + text[j if j >= 0 else len(text):]
            continue
        elif text.startswith('/*', i):
            j = text.find('*/', i)
            i = j + 1 if j >= 0 else len(text)
        elif ch == ';':
            out.append(text[at:i].strip())
            at = i + 1
        i += 1
    out.append(text[at:].strip())
    return [s for s in out if s]

def of_file(path):
    return statements(open(path, errors='replace').read())

def ycsb(db):
    """What `go-ycsb load` makes there, a small one."""
    fields = ['FIELD%d' % i for i in range(10)]
    return ['CREATE TABLE IF NOT EXISTS %s.usertable (YCSB_KEY VARCHAR(64) PRIMARY KEY, %s)' % (db, ', '.join(f + ' VARCHAR(100)' for f in fields))] + [
        'INSERT INTO %s.usertable VALUES (%s)' % (db, ', '.join(["'user%d'" % (k * 7919)] + ["'%s'" % ('%s-%d-' % (f, k) * 8)[:90] for f in fields])) for k in range(40)]

def of_script(folder, name):
    """The calls of run.sh that go to the upstream. A shell variable is known only where it is the test's name or counts a loop."""
    out = []
    text = open(folder + '/run.sh', errors='replace').read().replace('\\\n', ' ')
    for m in sorted(list(CALL.finditer(text)) + list(YCSB.finditer(text)), key=lambda m: m.start()):
        if m.re is YCSB:
            out += ycsb(m.group(1))
            continue
        if re.search(r'DOWN_|3306', m.group('rest')) or text[max(0, text.rfind('\n', 0, m.start())):m.start()].strip().startswith(('#', '!')):
            continue
        if m.group('kind') == '_file':
            path = (m.group('bare') or m.group('double') or '').replace('$CUR', folder).strip('"')
            if os.path.isfile(path):
                out += of_file(path)
            continue
        said = m.group('single') if m.group('single') is not None else re.sub(r'\\(.)', r'\1', m.group('double') or '')
        said = re.sub(r'\$\{?TEST_NAME\}?', name, said)
        for i in range(1, 4) if re.search(r'\$\{?i\}?\b', said) else [1]:
            one = re.sub(r'\$\{?i\}?(?![A-Za-z_])', str(i), said)
            out += [s for s in statements(one) if not re.search(r'\$[A-Za-z_{(]', s)]
    return out

def all_inputs(folder):
    """{name: statements}; a test that types nothing on the upstream is left out."""
    out = collections.OrderedDict()
    for d in sorted(glob.glob(folder + '/tests/integration_tests/*/')):
        name, said = os.path.basename(d[:-1]), []
        if name == 'debezium':
            for f in sorted(glob.glob(d + 'sql/**/*.sql', recursive=True)):
                out['debezium/' + os.path.basename(f)[:-4]] = ['CREATE DATABASE IF NOT EXISTS test', 'USE test'] + of_file(f) # as its program does
            continue
        if os.path.isfile(d + 'run.sh'):
            said = of_script(d[:-1], name)
        if not any(re.match(r'(?i)\s*(create|insert)', s) for s in said):
            files = [f for f in glob.glob(d + 'data/*.sql') if os.path.basename(f) not in ('down.sql', 'cleanup.sql')]
            said = [s for f in sorted(files, key=lambda f: (DATA_ORDER.get(os.path.basename(f)[:-4], 5), f)) for s in of_file(f)]
        said = [s for s in said if not re.match(r'(?i)\s*(select|show|explain|desc|source|(create|drop)\s+user|create\s+table\s+(if\s+not\s+exists\s+)?(\w+\.)?(finish_?mark\w*)\b)', s)]
        if any(re.match(r'(?i)\s*(create|insert)', s) for s in said):
            out[name] = said
    return out
