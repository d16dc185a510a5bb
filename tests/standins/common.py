"""Shared by the stand-ins for TiDB's tools: processes that end with their parent, a small HTTP server, the MySQL protocol as far as a
proxy and a few queries of its own need it, and faults that a test asks for.

Environment: DRTEST (the drtest executable behind BACKUP, RESTORE, the changefeed and redo), STANDIN_VERSION (of every component, v8.5.7),
STANDIN_FAULTS (";"-separated "name" or "name=text": what goes wrong, see the scripts), STANDIN_PACE (what the real tools take seconds for, as
recorded, takes this share of it here: 0.05), TICDC_NEWARCH=true (cdc plays its new architecture)."""
import ctypes, http.server, json, os, signal, socket, socketserver, struct, sys, threading, time

WORD = 'standin'  # in every version that a stand-in tells

def version():
    return os.environ.get('STANDIN_VERSION', 'v8.5.7')

def version_tuple():
    return tuple(int(x) for x in version().lstrip('v').split('-')[0].split('.'))

def fault(name):
    """None, or the text of the fault of that name ('' when it has none)."""
    for f in os.environ.get('STANDIN_FAULTS', '').split(';'):
        key, _, text = f.partition('=')
        if key == name:
            return text
    return None

def asked(text):
    """Fault asked=FILE: what is asked of the stand-ins from outside, a line each: by SQL, and by what is no GET."""
    if fault('asked'):
        with open(fault('asked'), 'a', errors='replace') as f:
            f.write(' '.join(text.split()) + '\n')

def paced(seconds):
    """How long something takes here that was recorded to take so long."""
    return seconds * float(os.environ.get('STANDIN_PACE', '0.05'))

def alive(url_or_address):
    """Does anybody listen there?"""
    host, port = url_or_address.split('://')[-1].rstrip('/').rsplit(':', 1)
    return answers(host, int(port), 5)

calls = {}
def next_fault(name):
    """Of a fault with several texts, "one||two": one after the other, the last from then on."""
    text = fault(name)
    if text is None:
        return None
    texts = text.split('||')
    calls[name] = calls.get(name, 0) + 1
    return texts[min(calls[name], len(texts)) - 1]

def drtest():
    return os.environ.get('DRTEST') or os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'build', 'drtest')

_libc = ctypes.CDLL(None)
def dies_with_parent():
    """For preexec_fn: SIGKILL when the parent's main thread ends (PR_SET_PDEATHSIG)."""
    _libc.prctl(1, signal.SIGKILL)

def own_group():
    """As playground starts its components."""
    os.setpgid(0, 0)
    dies_with_parent()

def port_is_free(host, port):
    s = socket.socket()
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, port))
        return True
    except OSError:
        return False
    finally:
        s.close()

def free_port(host='127.0.0.1'):
    s = socket.socket()
    s.bind((host, 0))
    port = s.getsockname()[1]
    s.close()
    return port

def answers(host, port, within=0.2):
    try:
        socket.create_connection((host, port), within).close()
        return True
    except OSError:
        return False

def clock_off():
    """Fault clock=FILE: the seconds in it by which this machine's clock is off, as an HTTP answer tells."""
    try:
        return float(open(fault('clock') or '').read())
    except (OSError, ValueError):
        return 0

# ---- HTTP

class Refused(Exception):
    def __init__(self, status, body):
        self.status, self.body = status, body

class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True

def serve_http(host, port, handle):
    """handle(method, path, query, body) returns a str or something for JSON; None is 404; Refused carries a status."""
    class H(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'
        def go(self):
            path, _, query = self.path.partition('?')
            body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
            status = 200
            if self.command != 'GET' and not path.startswith('/standin/'):
                asked('%s %s %s' % (self.command, port, path))
            try:
                out = handle(self.command, path, query, body)
                if out is None:
                    status, out = 404, '404 page not found'
            except Refused as r:
                status, out = r.status, r.body
            text = (out if isinstance(out, str) else json.dumps(out, indent=2)).encode()
            self.send_response(status)
            self.send_header('Content-Type', 'text/plain' if isinstance(out, str) else 'application/json')
            self.send_header('Content-Length', str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        do_GET = do_POST = do_PUT = do_DELETE = go
        def date_time_string(self, timestamp=None):
            return super().date_time_string((timestamp or time.time()) + clock_off())
        def log_message(self, *a): pass
    s = _Server((host, port), H)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s

def http_json(method, url, value=None, timeout=5):
    import urllib.request
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    r = urllib.request.Request(url, method=method, data=None if value is None else json.dumps(value).encode(), headers={'Content-Type': 'application/json'})
    with opener.open(r, timeout=timeout) as a:
        text = a.read()
    return json.loads(text) if text else None

def pd_json(pds, method, path, value=None, timeout=5):
    """From the first PD of "http://a,http://b" or "a,b" that answers."""
    why = OSError('no PD is named')
    for url in pds.split(','):
        try:
            return http_json(method, (url if '://' in url else 'http://' + url) + path, value, timeout)
        except OSError as e:
            why = e
    raise why

# ---- MySQL protocol

class SqlError(Exception):
    def __init__(self, code, text):
        self.code, self.text = code, text
        super().__init__('%s (%d)' % (text, code))

def read_exact(s, n):
    out = bytearray()
    while len(out) < n:
        piece = s.recv(n - len(out))
        if not piece:
            raise EOFError
        out += piece
    return bytes(out)

def read_packet(s):
    """(sequence, payload) of one packet; one of 16 MiB goes on in the next."""
    head = read_exact(s, 4)
    n = head[0] | head[1] << 8 | head[2] << 16
    seq, body = head[3], read_exact(s, n)
    while n == 0xffffff:
        head = read_exact(s, 4)
        n = head[0] | head[1] << 8 | head[2] << 16
        body += read_exact(s, n)
    return seq, body

def packet(seq, body):
    out = b''
    while len(body) >= 0xffffff:
        out += b'\xff\xff\xff' + bytes([seq & 255]) + body[:0xffffff]
        body, seq = body[0xffffff:], seq + 1
    return out + struct.pack('<I', len(body))[:3] + bytes([seq & 255]) + body

def lenenc(n):
    return bytes([n]) if n < 251 else b'\xfc' + struct.pack('<H', n) if n < 1 << 16 else b'\xfe' + struct.pack('<Q', n)

def text_cell(v):
    if v is None:
        return b'\xfb'
    v = v.encode()
    return lenenc(len(v)) + v

def ok_reply(status=2, affected=0):
    return packet(1, b'\0' + lenenc(affected) + b'\0' + struct.pack('<HH', status, 0))

def error_reply(code, text, state='HY000'):
    return packet(1, b'\xff' + struct.pack('<H', code) + b'#' + state.encode() + text.encode())

def rows_reply(names, rows, status=2):
    out, seq = packet(1, lenenc(len(names))), 2
    for name in names:
        n = name.encode()
        out += packet(seq, b'\x03def\0\0\0' + lenenc(len(n)) + n + lenenc(len(n)) + n + b'\x0c' + struct.pack('<HIBHB', 45, 1024, 253, 0, 0) + b'\0\0')
        seq += 1
    out += packet(seq, b'\xfe' + struct.pack('<HH', 0, status))
    seq += 1
    for row in rows:
        out += packet(seq, b''.join(text_cell(v) for v in row))
        seq += 1
    return out + packet(seq, b'\xfe' + struct.pack('<HH', 0, status))

def read_answer(s):
    """Rows of a COM_QUERY (None: it gave none). The session has no DEPRECATE_EOF."""
    def number(p, at):
        c = p[at]
        if c < 251: return c, at + 1
        if c == 0xfc: return struct.unpack_from('<H', p, at + 1)[0], at + 3
        if c == 0xfd: return p[at + 1] | p[at + 2] << 8 | p[at + 3] << 16, at + 4
        return struct.unpack_from('<Q', p, at + 1)[0], at + 9
    _, p = read_packet(s)
    if p[0] == 0xff:
        raise SqlError(struct.unpack_from('<H', p, 1)[0], p[9:].decode(errors='replace') if p[3:4] == b'#' else p[3:].decode(errors='replace'))
    if p[0] == 0:
        return None
    n, _ = number(p, 0)
    for _ in range(n):
        read_packet(s)
    read_packet(s)
    rows = []
    while True:
        _, p = read_packet(s)
        if p[0] == 0xfe and len(p) < 9:
            return rows
        row, at = [], 0
        for _ in range(n):
            if p[at] == 0xfb:
                row.append(None)
                at += 1
            else:
                k, at = number(p, at)
                row.append(p[at:at + k].decode(errors='replace'))
                at += k
        rows.append(row)

def ask(s, text):
    s.sendall(packet(0, b'\x03' + text.encode()))
    return read_answer(s)

def connect_root(port):
    """root without a password, as a fresh server has it."""
    s = socket.create_connection(('127.0.0.1', port), 10)
    s.settimeout(None)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _, greeting = read_packet(s)
    if greeting[0] == 0xff:
        raise SqlError(struct.unpack_from('<H', greeting, 1)[0], greeting[3:].decode(errors='replace'))
    caps = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000  # MYSQL, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH
    s.sendall(packet(1, struct.pack('<IIB23x', caps, 1 << 24, 45) + b'root\0' + b'\0' + b'mysql_native_password\0'))
    seq, p = read_packet(s)
    if p[0] == 0xfe:  # another plugin is wanted: an empty password is an empty answer
        s.sendall(packet(seq + 1, b''))
        _, p = read_packet(s)
    if p[0] == 0xff:
        raise SqlError(struct.unpack_from('<H', p, 1)[0], p[9:].decode(errors='replace'))
    return s
