"""A proxy of the client protocol in front of the primary: sees each COM_QUERY before the server does. It passes everything on but for what the
watcher changes: a statement may become a no-op, and statements of the proxy's own may run in the client's session before or after it."""
import re, socket, struct, threading

COM_QUERY, COM_INIT_DB = 3, 2

def read_exact(sock, n):
    out = b''
    while len(out) < n:
        piece = sock.recv(n - len(out))
        if not piece:
            raise ConnectionError
        out += piece
    return out

def read_packet(sock):
    head = read_exact(sock, 4)
    return head[3], read_exact(sock, head[0] | head[1] << 8 | head[2] << 16)

def packet(seq, body):
    return struct.pack('<I', len(body))[:3] + bytes([seq]) + body

class Session:
    """One client's connection. `inject` runs a statement without a result set in it, between two of the client's own."""
    def __init__(self, client, server, watcher):
        self.client, self.server, self.watcher = client, server, watcher

    def handshake(self):
        """Greeting, login, and whatever the plug-in asks, until the server says OK."""
        self.client.sendall(packet(*read_packet(self.server)))
        seq, login = read_packet(self.client)
        capabilities = struct.unpack('<I', login[:4])[0] & ~(1 << 11) & ~(1 << 5) # neither TLS nor compression
        extended = struct.unpack('<I', login[28:32])[0] & ~1 # no progress reports: they look like errors
        self.server.sendall(packet(seq, struct.pack('<I', capabilities) + login[4:28] + struct.pack('<I', extended) + login[32:]))
        while True:
            seq, body = read_packet(self.server)
            self.client.sendall(packet(seq, body))
            if body[:1] == b'\xff':
                raise ConnectionError
            if body[:1] == b'\0':
                return
            seq, body = read_packet(self.client)
            self.server.sendall(packet(seq, body))

    def inject(self, sql):
        """Whether it went well."""
        self.server.sendall(packet(0, b'\x03' + sql.encode('utf-8', 'surrogateescape')))
        _, body = read_packet(self.server)
        return body[:1] == b'\0'

    def database(self):
        """The session's current database, '' without one."""
        self.server.sendall(packet(0, b'\x03SELECT DATABASE()'))
        if read_packet(self.server)[1][:1] == b'\xff':
            return ''
        rows, ends = [], 0
        while ends < 2:
            _, body = read_packet(self.server)
            if body[:1] == b'\xff':
                return ''
            ends += body[:1] == b'\xfe' and len(body) < 9
            rows.append(body)
        value = rows[-2]
        return '' if value[:1] == b'\xfb' else value[1:1 + value[0]].decode('utf-8', 'surrogateescape')

    def pump(self):
        """Answers flow back in a thread of their own; commands are held until the server has ended the one before."""
        self.handshake()
        while True:
            seq, body = read_packet(self.client)
            if seq == 0 and body[:1] == b'\x01': # COM_QUIT
                self.server.sendall(packet(seq, body))
                return
            after = []
            if seq == 0 and body[:1] == b'\x03':
                text = body[1:].decode('utf-8', 'surrogateescape')
                text, after = self.watcher.before(self, text)
                body = b'\x03' + text.encode('utf-8', 'surrogateescape')
            elif seq == 0 and body[:1] == b'\x16': # COM_STMT_PREPARE
                text, _ = self.watcher.before(self, body[1:].decode('utf-8', 'surrogateescape'))
                body = b'\x16' + text.encode('utf-8', 'surrogateescape')
            self.server.sendall(packet(seq, body))
            self.well = True
            self.answer(body[:1])
            for f in after:
                f(self, self.well)

    def forward(self):
        seq, body = read_packet(self.server)
        self.client.sendall(packet(seq, body))
        while len(body) == 0xffffff:
            seq, more = read_packet(self.server)
            self.client.sendall(packet(seq, more))
            body = more if len(more) < 0xffffff else more
        return body

    def answer(self, command):
        if command in (b'\x18', b'\x19'): # COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE: no answer
            return
        if command == b'\x09': # COM_STATISTICS: a text
            self.forward()
            return
        if command == b'\x16':
            body = self.forward()
            if body[:1] == b'\0':
                columns, parameters = struct.unpack('<HH', body[5:9])
                for n in (parameters, columns):
                    if n:
                        while self.forward()[:1] != b'\xfe':
                            pass
            return
        while True:
            body = self.forward()
            first = body[:1]
            if first == b'\xff':
                self.well = False
                return
            if first == b'\xfb': # LOCAL INFILE: the client sends packets until an empty one
                while True:
                    seq, piece = read_packet(self.client)
                    self.server.sendall(packet(seq, piece))
                    if not piece:
                        break
                continue
            if first == b'\0':
                status = self.ok_status(body)
            elif command == b'\x04': # COM_FIELD_LIST
                while first != b'\xfe' and first != b'\xff':
                    first = self.forward()[:1]
                return
            else:
                for _ in range(2):
                    while True:
                        body = self.forward()
                        if body[:1] == b'\xff' or (body[:1] == b'\xfe' and len(body) < 9):
                            break
                    if body[:1] == b'\xff':
                        return
                    if command == b'\x17' and struct.unpack('<H', body[3:5])[0] & 64: # a cursor: rows come by COM_STMT_FETCH
                        break
                status = struct.unpack('<H', body[3:5])[0]
            if not status & 8: # SERVER_MORE_RESULTS_EXISTS
                return

    @staticmethod
    def ok_status(body):
        at = 1
        for _ in range(2):
            at += {0xfc: 3, 0xfd: 4, 0xfe: 9}.get(body[at], 1)
        return struct.unpack('<H', body[at:at + 2])[0]

class Proxy:
    def __init__(self, port, watcher):
        self.port_of_server, self.watcher = port, watcher
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(50)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = None
        try:
            server = socket.create_connection(('127.0.0.1', self.port_of_server))
            Session(client, server, self.watcher).pump()
        except (ConnectionError, OSError, struct.error, IndexError):
            pass
        finally:
            client.close()
            if server:
                server.close()

    def close(self):
        self.listener.close()
