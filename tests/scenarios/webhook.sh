#!/bin/bash
# --webhook: who is told of a verdict gets it once, signed, after as many tries as it takes; who is not told is told about; nothing secret is said.
. "$(dirname "$0")/lib.sh"
top=$PWD
cd "$scratch" || exit 1
"$top/tests/fixtures/run/make" runs/20261128T010203Z-failover-7 30 fail '{"wall_ms": 1792325000000}' || exit 1
run=runs/20261128T010203Z-failover-7
key='whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
printf '%s\n' "$key" >key
cat >receiver.py <<'PY'
# Takes messages: the path tells what is answered, one number a message. Each is kept as a JSON line.
import http.server, json, sys
class H(http.server.BaseHTTPRequestHandler):
    seen = {}
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length'])).decode()
        n = H.seen[self.path] = H.seen.get(self.path, 0) + 1
        codes = self.path.split('/')[1].split('-')
        code = int(codes[min(n, len(codes)) - 1])
        with open('got', 'a') as f:
            f.write(json.dumps({'path': self.path, 'headers': {k.lower(): v for k, v in self.headers.items()}, 'body': body}) + '\n')
        self.send_response(code)
        if code == 307:
            self.send_header('Location', 'http://127.0.0.1:1/elsewhere')
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)
open('port.new', 'w').write(str(s.server_port)); import os; os.rename('port.new', 'port')
s.serve_forever()
PY
python3 receiver.py &
receiver=$!
trap 'kill $receiver; finish' EXIT
wait_for 20 test -s port
to=http://127.0.0.1:$(cat port)
got() { # PATH EXPRESSION over `m`, the messages to that path: has to be true
	python3 - "$1" "$2" "$key" <<'PY' && ok || bad "$1: not $2: $(tail -c 600 got)"
import base64, hashlib, hmac, json, os, sys
m = [x for x in map(json.loads, open('got')) if x['path'] == sys.argv[1]] if os.path.exists('got') else []
def signed(x):
    h = x['headers']
    want = hmac.new(base64.b64decode(sys.argv[3][6:]), ('%s.%s.%s' % (h['webhook-id'], h['webhook-timestamp'], x['body'])).encode(), hashlib.sha256).digest()
    return h['webhook-signature'] == 'v1,' + base64.b64encode(want).decode()
b = [json.loads(x['body']) for x in m]
sys.exit(not eval(sys.argv[2]))
PY
}

# ---- taken at once
expect "a verdict" 0 "FAIL" "$DRTEST" report $run --webhook "$to/200/a" --webhook-secret @key
got /200/a 'len(m) == 1 and signed(m[0]) and m[0]["headers"]["content-type"] == "application/json"'
got /200/a 'm[0]["headers"]["webhook-id"] == "20261128T010203Z-failover-7" and b[0]["type"] == "run.verdict"'
got /200/a 'b[0]["data"]["verdict"] == "fail" and b[0]["data"]["seed"] == "42" and b[0]["data"]["not_passed"] and b[0]["data"]["rpo"]["lost"] >= 0'
got /200/a 'b[0]["text"].startswith("FAIL failover on local, seed 42: lost ")'
expect "unsigned" 0 "" "$DRTEST" report $run --webhook "$to/204/b"
got /204/b 'len(m) == 1 and "webhook-signature" not in m[0]["headers"]'
KEY=$key HOOK=$to/200/c expect "both from the environment" 0 "" "$DRTEST" report $run --webhook env:HOOK --webhook-secret env:KEY
got /200/c 'len(m) == 1 and signed(m[0])'

# ---- taken after a while, by the same name
expect "taken at the third try" 0 "" "$DRTEST" report $run --webhook "$to/500-429-200/d" --webhook-secret @key
got /500-429-200/d 'len(m) == 3 and len({x["headers"]["webhook-id"] for x in m}) == 1 and all(map(signed, m)) and len({x["body"] for x in m}) == 1'

# ---- not taken: told, with the way to try again; what makes no sense again is not tried again
for code in 400 401 404 410 307; do
	expect "answer $code" 3 "^drtest: the webhook was not delivered: $to returned $code \(drtest report $run --webhook … sends it again\)" \
		"$DRTEST" report $run --webhook "$to/$code/room-secret-path"
	got /$code/room-secret-path 'len(m) == 1'
	grep -q room-secret "$scratch/out" && bad "answer $code: the address's path is told" || ok
done
expect "nobody listens" 3 "^drtest: the webhook was not delivered: after 6 tries: POST http://127.0.0.1:1: " "$DRTEST" report $run --webhook http://127.0.0.1:1/room-secret
grep -q room-secret "$scratch/out" && bad "nobody listens: the address's path is told" || ok
openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 -subj /CN=elsewhere.example >/dev/null 2>&1
openssl s_server -accept 127.0.0.1:0 -key tls.key -cert tls.crt -www >tls.log 2>&1 &
tls=$!
wait_for 20 grep -q '^ACCEPT' tls.log
expect "a server that is not who it says" 3 "the webhook was not delivered: POST https://127.0.0.1:[0-9]*: SSL" \
	"$DRTEST" report $run --webhook "https://127.0.0.1:$(grep -o '[0-9]*$' <(grep -m 1 ^ACCEPT tls.log))/x"
kill $tls

# ---- odd receivers: a 2xx status is a delivery, whatever comes after it
cat >odd.py <<'PY'
import socket, threading, time
says = {'endless': b'HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\nx', 'ssh': b'SSH-2.0-OpenSSH_9\r\n', 'continue': b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'}
def answer(c, what):
    c.recv(65536)
    if what != 'silent':
        c.sendall(says[what])
        c.shutdown(socket.SHUT_WR)
    else:
        time.sleep(3600)
def serve(s, what):
    while True:
        threading.Thread(target=answer, args=(s.accept()[0], what), daemon=True).start()
for what in [*says, 'silent']:
    s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
    threading.Thread(target=serve, args=(s, what), daemon=True).start()
    print(what, s.getsockname()[1], flush=True)
time.sleep(3600)
PY
python3 odd.py >odd.ports &
odd=$!
trap 'kill $receiver $odd; finish' EXIT
wait_for 20 grep -q silent odd.ports
at() { echo "http://127.0.0.1:$(awk -v w="$1" '$1 == w { print $2 }' odd.ports)/x"; }
expect "a 200 whose body ends early" 0 "" "$DRTEST" report $run --webhook "$(at endless)"
grep -q 'not delivered' "$scratch/out" && bad "a 200 whose body ends early: $(cat "$scratch/out")" || ok
expect "a 204 after a 100" 0 "" "$DRTEST" report $run --webhook "$(at continue)"
expect "a server that speaks SSH" 3 "not delivered: POST http://127.0.0.1:[0-9]*: the response is not HTTP" "$DRTEST" report $run --webhook "$(at ssh)"

# ---- what is wrong is told before anything is done
for wrong in ftp://host/x host/x http:// @nosuch env:NOSUCH 'http://user:pw@host/x' 'http://host/a b' $'http://host/\na' http://host:99999/ 'http://host/#x'; do
	expect "--webhook $wrong" 2 "^drtest run: --webhook: " "$DRTEST" run failover --webhook "$wrong"
done
expect "a secret for everybody to read" 2 "^drtest run: --webhook: the secret: use @FILE or env:NAME" "$DRTEST" run failover --webhook "$to/200/x" --webhook-secret "$key"
printf 'short\n' >short; printf 'whsec_a%%b\n' >nobase
expect "a short secret" 2 "the secret has 5 bytes; it needs at least 16" "$DRTEST" run failover --webhook "$to/200/x" --webhook-secret @short
expect "a secret that is no base64" 2 "the part after whsec_ is not base64" "$DRTEST" run failover --webhook "$to/200/x" --webhook-secret @nobase
expect "a secret alone" 2 "--webhook-secret needs --webhook" "$DRTEST" run failover --webhook-secret @key
got /200/x 'not m'

# ---- of a run: that it did not begin, and how it ended
DRTEST_MINIO=/nonexistent expect "a run that does not begin" 3 "stands in the way" "$DRTEST" run failover --on local --store s3 --webhook "$to/200/begin" --webhook-secret @key
got /200/begin 'len(m) == 1 and signed(m[0]) and b[0]["data"] == {"verdict": "error", "scenario": b[0]["data"]["scenario"], "drtest": b[0]["data"]["drtest"], "exit_code": 3}'
LIMIT=180 expect "a run" 0 "^PASS" "$DRTEST" run failover --on local --store file --set tables=2 --set table_size=200 --set load_tables=2 --set forensic=false --set soak=1s \
	--webhook "$to/503-200/run" --webhook-secret @key --out here
got /503-200/run 'len(m) == 2 and all(map(signed, m)) and b[1]["data"]["verdict"] == "pass"'
got /503-200/run 'os.path.isdir("here/" + b[1]["data"]["run"])'
expect "plan" 0 "nothing is done" "$DRTEST" run failover --on local --plan --webhook "$to/200/plan"
got /200/plan 'not m'
grep -rqF "${key#whsec_}" here runs && bad "the secret is in a run's folder" || ok
