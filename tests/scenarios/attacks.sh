#!/bin/bash
# Attacks on drtest from each side, and their results: this test runs every row of the table in docs/SECURITY.md, and the table has no other rows.
# Attacks by another user of the machine run only as root (make check-root).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
chmod 755 "$scratch"
export LC_ALL=C.UTF-8
rows=$scratch/rows
servers_of_mine=()
trap 'kill "${servers_of_mine[@]}" 2>/dev/null; finish' EXIT
# row END ATTACK RESULT EXIT PATTERN COMMAND…: the table's words, then as expect has it
row() {
	local end=$1 attack=$2 result=$3
	shift 3
	printf '| %s | %s | %s |\n' "$end" "$attack" "$result" >>"$rows"
	expect "$end: $attack" "$@"
	grep -q 'topsecret' "$scratch/out" && bad "$end: $attack: a secret is told: $(cat "$scratch/out")" || ok
}
# An evil server: KIND PORT LOG
cat >"$scratch/evil" <<'PY'
import socket, struct, sys, threading, time
kind, port, log = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], 'ab', 0)
def packet(seq, b): return struct.pack('<I', len(b))[:3] + bytes([seq]) + b
def greeting(plugin, caps=0xffffffff & ~0x800):
    return (b'\x0a10.11.19-MariaDB' + (b'\x1b]0;owned\7\x1b[2J\xc2\x9b5m' if kind == 'escapes' else b'') + b'\0' + struct.pack('<I', 7) + b'12345678\0' + struct.pack('<H', caps & 0xffff) + b'\x2d' + struct.pack('<H', 2) +
            struct.pack('<H', caps >> 16) + bytes([21]) + bytes(10) + b'abcdefghijkl\0' + plugin + b'\0')
def http(c, body, more=b''):
    c.recv(65536)
    c.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n' + more + b'Content-Length: %d\r\n\r\n' % len(body) + body)
mute = threading.Event()
def serve(c):
    try:
        if kind == 'silent' or mute.is_set():
            while c.recv(65536): pass
        elif kind == 'drip': # a message of 64 KiB, for longer than anybody waits
            c.sendall(b'\xff\xff\0\0\x0a')
            for _ in range(600):
                c.sendall(b'x')
                time.sleep(0.5)
        elif kind == 'error':
            c.sendall(packet(0, b'\xff\xff\xff\x01\x01\x64\0\0\x03abcde'))
        elif kind == 'noise':
            c.sendall(bytes(range(256)) * 64)
        elif kind in ('rows', 'errors', 'escapes', 'mute'): # the login and SET are answered as they should be
            c.sendall(packet(0, greeting(b'mysql_native_password', 0xffffffff & ~0x1000800)))
            c.recv(65536)
            c.sendall(packet(2, b'\0\0\0\2\0\0\0'))
            while True:
                asked = c.recv(65536)
                if not asked or asked[4:5] != b'\3': break
                if asked[5:8] == b'SET': c.sendall(packet(1, b'\0\0\0\2\0\0\0'))
                elif kind == 'mute': mute.set()
                elif kind in ('errors', 'escapes'): c.sendall(packet(1, b'\xff\x51\x04#HY000no'))
                else:
                    c.sendall(packet(1, b'\1') + packet(2, b'\3def\0\0\0\1c\0\x0c\x21\0\xff\0\0\0\xfd\0\0\0\0\0') + packet(3, b'\xfe\0\0\2\0'))
                    while True: c.sendall(b''.join(packet(i & 255, b'\xc8' + b'x' * 200) for i in range(4, 1004)))
        elif kind in ('clear', 'rsa'):
            c.sendall(packet(0, greeting(b'mysql_native_password')))
            log.write(c.recv(65536))
            if kind == 'clear': c.sendall(packet(2, b'\xfemysql_clear_password\0'))
            else: c.sendall(packet(2, b'\xfecaching_sha2_password\0' + b'a' * 20 + b'\0'))
            log.write(c.recv(65536))
            if kind == 'rsa':
                c.sendall(packet(4, b'\x01\x04'))
                log.write(c.recv(65536))
        elif kind == 'endless':
            c.recv(65536)
            c.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
            while True: c.sendall(b'[' * 65536)
        elif kind == 'page':
            http(c, b'<html><body>Sign in to the Wi-Fi</body></html>', b'ETag: "x"\r\n')
        elif kind == 'half': # of the log's meta, each time from its beginning
            name = b'p/127.0.0.1:8300_default_x_meta_13aa7235-8cb4-4ecc-b23d-3df0ad561e75.meta'
            if b'list-type' in c.recv(65536): body = b'<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>%s</Key><Size>90</Size></Contents></ListBucketResult>' % name
            else: body = b'x' * 45
            c.sendall(b'HTTP/1.1 200 OK\r\nETag: "x"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' % (90 if body[:1] == b'x' else len(body)) + body)
        elif kind == 'crumbs':
            c.recv(65536)
            c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n')
            for _ in range(1200):
                c.sendall(b' ')
                time.sleep(0.5)
        elif kind == 'entities':
            http(c, b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><ListBucketResult>&b;</ListBucketResult>')
        elif kind == 'lua':
            asked = c.recv(65536)
            one = b'{"id": "x\\"..os.exit()..\\"", "state": "normal", "checkpoint_ts": 435844546560000001, "config": {"consistent": {"level": "eventual", "storage": "s3://r\\" .. os"}}}'
            body = one if b'changefeeds/' in asked else b'{"total": 1, "items": [' + one + b']}'
            c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n' % len(body) + body)
    except OSError:
        pass
    finally:
        c.close()
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(('127.0.0.1', port))
l.listen(64)
while True:
    c, _ = l.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
PY
evil() { # KIND: at $port, what it heard in $heard
	port=$(free_port) heard=$scratch/heard.$1
	: >"$heard"
	python3 "$scratch/evil" "$1" "$port" "$heard" & servers_of_mine+=($!)
	wait_for 20 bash -c ": >/dev/tcp/127.0.0.1/$port"
}
untold() { grep -aq topsecret "$heard" && bad "$1: the server was told the password" || ok; }
uri() { echo "mysql://u:topsecret@127.0.0.1:$port/"; }
diff=("$DRTEST" diff --b mysql://u@127.0.0.1:1/ --a)

# ---- a server of SQL
evil mute # two minutes and more: its end is looked at below
s3() { echo "s3://bucket/p?endpoint=http://127.0.0.1:$port&access-key=a&secret-access-key=topsecret&force-path-style=true"; }
{ "$DRTEST" backup --source-uri "$(uri)" --storage "file://$scratch/none" >"$scratch/mute" 2>&1 </dev/null; echo $? >"$scratch/mute.rc"; } & mute=$!
evil clear
row "SQL server" "requests the password in clear text" "refused; the password is not sent" 3 '^drtest diff: ' "${diff[@]}" "$(uri)"
untold clear
row "SQL server" "requests it from a load's connections" "refused; the password is not sent" 3 '' env MYSQL_PWD=topsecret "$DRTEST" load oltp_write_only prepare --mysql-host=127.0.0.1 --mysql-port="$port" --mysql-user=u
untold load
evil rsa
row "SQL server" "offers its own RSA key for the password" "refused; the password is not sent" 3 '^drtest diff: ' "${diff[@]}" "$(uri)"
untold rsa
row "SQL server" "has no TLS although the URI is \`mysql+ssl://\`" "refused" 3 'SSL|TLS' "${diff[@]}" "mysql+ssl://u:topsecret@127.0.0.1:$port/"
untold ssl
evil noise
row "SQL server" "sends random bytes" "one error line" 3 '^drtest diff: ' "${diff[@]}" "$(uri)"
evil error
row "SQL server" "sends error 65535 before its greeting" "one error line" 3 '^drtest diff: ' "${diff[@]}" "$(uri)"
expect "so do a load's connections" 3 '^drtest load: ' "$DRTEST" load oltp_write_only run --mysql-host=127.0.0.1 --mysql-port="$port" --mysql-user=u --time=1
evil silent
row "SQL server" "accepts the connection and sends nothing" "drtest gives up after seconds" 3 '^drtest diff: ' "${diff[@]}" "$(uri)"
evil drip
row "SQL server" "sends a byte now and then" "drtest gives up after half a minute" 3 'the login was not complete after 30 s' "${diff[@]}" "$(uri)"

look_at() { printf 'return { primary = { kind = "mysql", sql = { host = "127.0.0.1", port = %d } } }\n' "$port" >"$scratch/c.lua"; }
evil rows
look_at
row "SQL server" "answers a query with rows without end" "drtest stops reading" 3 'does not end' "$DRTEST" doctor --clusters "$scratch/c.lua"
a=$(uri)
evil rows
expect "a compare as well" 3 '^drtest diff: ' "$DRTEST" diff --a "$a" --b "$(uri)"
evil errors
look_at
row "SQL server" "answers every query with an error" "\`doctor\` does not find it in order" 3 'cannot be checked: .*no \(1105\)' "$DRTEST" doctor --clusters "$scratch/c.lua"
evil escapes
look_at
row "SQL server" "has commands to the terminal in its version" "blanks in their place" 3 '10\.11\.19-MariaDB \]0;owned  \[2J 5m' "$DRTEST" doctor --clusters "$scratch/c.lua"
grep -aq $'\x1b' "$scratch/out" && bad "escapes reach the terminal" || ok

# ---- PD, TiCDC, the deployers
evil endless
printf 'return { primary = { sql = { host = "127.0.0.1", port = 1 }, pd = "http://127.0.0.1:%d" } }\n' "$port" >"$scratch/c.lua"
row "PD" "sends an endless response" "drtest stops reading at 16 MiB" 3 'in the way' "$DRTEST" doctor --clusters "$scratch/c.lua"
evil page
printf 'return { primary = { sql = { host = "127.0.0.1", port = 1 }, pd = "http://127.0.0.1:%d", cluster_id = "1" } }\n' "$port" >"$scratch/c.lua"
row "PD" "is a different program" "reported" 3 'in the way' "$DRTEST" doctor --clusters "$scratch/c.lua"
evil lua
rm -f /tmp/owned
row "TiCDC" "has a changefeed whose ID is Lua code" "a plain string in the file that \`init\` writes" 0 'primary' "$DRTEST" init --from "tiup:@$PWD/tests/fixtures/clusters/tiup-standby.json" --ticdc "http://127.0.0.1:$port" --out "$scratch/new.lua"
grep -q '^  changefeed = "x.034\.\.os\.exit()' "$scratch/new.lua" && ok || bad "the id is not there as text: $(cat "$scratch/new.lua")"
"$DRTEST" doctor --clusters "$scratch/new.lua" >/dev/null 2>&1
[ ! -e /tmp/owned ] && ok || bad "it was run"
sed 's/"standby"/"x\\n]] os.exit() --"/' tests/fixtures/clusters/tiup-standby.json >"$scratch/named.json"
row "tiup" "has a cluster whose name is Lua code" "a plain comment" 0 'primary' "$DRTEST" init --from "tiup:@$scratch/named.json" --out "$scratch/named.lua"
row "tiup" "is asked for a cluster named \`--yes\`" "refused" 2 'tiup:NAME' "$DRTEST" init --from tiup:--yes --out "$scratch/none.lua"

# ---- the store
evil page
row "store" "returns a sign-in page" "reported; not taken for an empty log" 3 '^drtest redo' "$DRTEST" redo meta --storage "$(s3)"
evil entities
row "store" "sends XML entities" "rejected before the first one is expanded" 3 '^drtest redo' "$DRTEST" redo check --storage "$(s3)"
evil half
row "store" "sends half of an object, again and again" "drtest gives up after six attempts" 3 'lost (after 45 bytes|in the body)' "$DRTEST" redo meta --storage "$(s3)"
evil crumbs
row "store" "sends a byte now and then" "drtest gives up after half a minute" 3 'less than 100 bytes a second' "$DRTEST" redo meta --storage "$(s3)"
mkdir "$scratch/log" && cp -r tests/fixtures/redo/small/log/. "$scratch/log"
for f in "$scratch"/log/*.log; do printf '\377\377\377\377\377\377\377\177' | dd of="$f" bs=1 conv=notrunc 2>/dev/null; done
row "redo log" "has a frame length of 2^63 bytes" "reported as damage, with the file name" 1 '\.log' "$DRTEST" redo check --storage "file://$scratch/log"

# ---- files
lua() { printf '%s\n' "$1" >"$scratch/c.lua"; }
plan=("$DRTEST" run scenarios/rehearse.lua --on attach --clusters "$scratch/c.lua" --plan)
lua 'os.execute("touch /tmp/owned") return {}'
row "clusters file" "runs a program" "refused" 2 '^drtest' "${plan[@]}"
lua 'local s = "x" for i = 1, 40 do s = s .. s end return { primary = { sql = { host = s } } }'
row "clusters file" "computes a text of a terabyte" "refused" 2 'more than 64 MiB of memory' "${plan[@]}"
lua 'while true do end'
row "clusters file" "never ends" "refused" 2 'runs too long' "${plan[@]}"
lua 'return { primary = { sql = { host = "h" }, pd = "http://u:topsecret@h:1" } }'
row "clusters file" "has a password in a URL" "refused; the message does not contain it" 2 'without a path, a password' "${plan[@]}"
lua 'return { primary = { sql = { host = "h" }, pd = "http://a:1/x?y", expandable = true } }'
row "clusters file" "misspells \`expendable\`" "refused" 2 "unknown field 'expandable'" "${plan[@]}"
mkdir "$scratch/in" && printf 'require("ffi").C.system("touch /tmp/owned")' >"$scratch/in/s.lua"
row "scenario" "calls C" "refused" 2 '^drtest' "$DRTEST" run "$scratch/in/s.lua" --plan
[ ! -e /tmp/owned ] && ok || bad "a file ran a program"
ln -s "$scratch/precious" "$scratch/linked.lua"
row "output file" "is a symbolic link" "refused" 2 'is not overwritten|Too many' "$DRTEST" init --from "tiup:@$PWD/tests/fixtures/clusters/tiup-standby.json" --out "$scratch/linked.lua"
[ ! -e "$scratch/precious" ] && ok || bad "the link was followed"
row "command line" "has a password, and the connection fails" "the message does not contain it" 3 '^drtest diff: ' "${diff[@]}" mysql://u:topsecret@127.0.0.1:1/

wait "$mute"
row "SQL server" "stops answering after the login" "drtest gives up when a second login gets no answer either" 3 '^drtest backup: .*nor does a second login get an answer' \
	bash -c "cat '$scratch/mute'; exit $(cat "$scratch/mute.rc")"

# ---- another user of the machine
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	other=(setpriv --reuid=12345 --regid=12345 --clear-groups)
	"${other[@]}" setsid sleep 300 & theirs=$!
	(setsid sleep 300 & echo $! >"$scratch/service")
	service=$(cat "$scratch/service")
	servers_of_mine+=("$theirs" "$service")
	seen() { [ "$(ps -o uid= -p "$theirs" | tr -d ' ')" = 12345 ] && [ "$(ps -o comm= -p "$theirs")" = sleep ] && [ "$(ps -o ppid= -p "$service" | tr -d ' ')" != $$ ]; }
	wait_for 20 seen
	row "root's machine" "\`chaos kill\` of another user's process" "refused" 2 "another user" "$DRTEST" chaos kill "$theirs"
	row "root's machine" "\`chaos kill\` of one of root's services" "refused without \`--foreign\`" 2 'foreign' "$DRTEST" chaos kill "$service"
	kill -0 "$theirs" && kill -0 "$service" && ok || bad "one of them was killed"
	printf 'return require "drtest.scenario" { name = "held", run = function(t) t:step("s", function() t:cluster { name = "primary" } t:sleep "300s" end) end }\n' >"$scratch/held.lua"
	"$DRTEST" run "$scratch/held.lua" --on local --store file --out "$scratch/runs" >"$scratch/held" 2>&1 & run=$!
	servers_of_mine+=("$run")
	socket() { sock=$(find /var/tmp/drtest-*-held-* -name '*.sock' -o -type s 2>/dev/null | head -n 1); [ -n "$sock" ]; }
	if wait_for 60 socket; then
		server=$(pgrep -f "mariadbd.*$(dirname "$sock")" | head -n 1)
		sql_port=$(ss -Hltnp 2>/dev/null | sed -n "s/.*127\.0\.0\.1:\([0-9]*\) .*pid=$server,.*/\1/p" | head -n 1)
		row "machine during a drill" "another user logs in to its server over TCP" "access denied" 1 'Access denied|1045' "${other[@]}" mariadb --no-defaults -h127.0.0.1 -P"${sql_port:-1}" -uroot --ssl=0 -e 'SELECT 1'
		row "machine during a drill" "another user opens its socket" "permission denied" 1 '(Permission denied|\(13\))' "${other[@]}" mariadb --no-defaults -S"$sock" -uroot -e 'SELECT 1'
		row "machine during a drill" "another user reads the run directory" "permission denied" 2 'Permission denied' "${other[@]}" ls "$(find "$scratch/runs" -mindepth 1 -maxdepth 1 -type d)"
		grep -aq 'topsecret\|password=' /proc/"$server"/cmdline && bad "a password is in the server's command line" || ok
	else
		bad "the held drill has no server: $(cat "$scratch/held")"
	fi
	kill -INT "$run"; wait "$run" 2>/dev/null
else
	skipped=$((skipped + 1))
	echo "skipped: not root: what another user of the machine may do is tried by make check-root"
	sed -n "/^| root's machine\|^| machine during a drill/p" docs/SECURITY.md >>"$rows"
fi

# ---- the page has these lines, and no others
grep '^| [A-Za-z]' docs/SECURITY.md | grep -v '^| who |' >"$scratch/page"
cmp -s "$rows" "$scratch/page" && ok || bad "docs/SECURITY.md has another table than was tried: $(command diff "$scratch/page" "$rows")"
