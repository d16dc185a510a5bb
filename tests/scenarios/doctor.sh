#!/bin/bash
# `drtest doctor --clusters F` asks each endpoint for all that a run would need, and tells the way out of what is in the way: rights for what the file
# allows, TiCDC's account, clocks, the changefeed's redo settings, GC, and the store by a probe object. The clusters are only read.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
export STANDIN_FAULTS=clock=$scratch/clock
attached_pair
f=$scratch/clusters.lua
P() { mariadb --no-defaults -h127.0.0.1 -P"$((offset + 4000))" -uroot --ssl=0 "$@"; }
S() { mariadb --no-defaults -h127.0.0.1 -P"$((offset + 5000))" -uroot --ssl=0 "$@"; }
# clusters STORE LUA: the file, with this store and these lines before its end
clusters() {
	printf '%s\nlocal primary, secondary = at(%d), at(%d)\n%s\nreturn { primary = primary, secondary = secondary, store = "%s" }\n' \
		"$at_lua" "$offset" "$((offset + 1000))" "$2" "$1" >"$f"
}
doctor=("$DRTEST" doctor --clusters "$f")
has() { grep -Eq -- "$1" "$scratch/out" && ok || bad "no /$1/ in: $(cat "$scratch/out")"; }
# An S3 whose key may not do what is named: PORT DENIED…
cat >"$scratch/s3" <<'PY'
import http.server, socketserver, sys
denied, objects, log = sys.argv[3:], {}, open(sys.argv[2], 'a')
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def go(self):
        path, _, query = self.path.partition('?')
        key, body = path.split('/', 2)[2] if path.count('/') > 1 else '', self.rfile.read(int(self.headers.get('Content-Length') or 0))
        verb = 'LIST' if self.command == 'GET' and 'list-type' in query else self.command
        print(verb, key, file=log, flush=True)
        status, out = 200, b''
        if verb in denied and not (verb == 'LIST' and 'max-keys=1' in query):
            status, out = 403, b'<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>'
        elif verb == 'LIST':
            out = b'<ListBucketResult><IsTruncated>false</IsTruncated>' + b''.join(
                b'<Contents><Key>%s</Key><Size>%d</Size></Contents>' % (k.encode(), len(v)) for k, v in objects.items()) + b'</ListBucketResult>'
        elif verb == 'PUT':
            objects[key] = body
        elif verb == 'DELETE':
            objects.pop(key, None)
            status = 204
        elif verb == 'GET':
            status, out = (200, objects[key]) if key in objects else (404, b'<Error><Code>NoSuchKey</Code></Error>')
        self.send_response(status)
        self.send_header('Content-Length', str(len(out)))
        if status == 200: self.send_header('ETag', '"probe"')
        self.end_headers()
        if self.command != 'HEAD': self.wfile.write(out)
    do_GET = do_PUT = do_HEAD = do_DELETE = go
    def log_message(self, *a): pass
class S(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
S(('127.0.0.1', int(sys.argv[1])), H).serve_forever()
PY
s3s=()
trap 'kill "${s3s[@]}" 2>/dev/null; for c in "$scratch"/*.pid; do [ -e "$c" ] && "$scratch/kill" "$(basename "$c" .pid)"; done; finish' EXIT
s3() { # DENIED…: $store is one, $asked what it was asked
	local port; port=$(free_port)
	asked=$scratch/asked.$port
	python3 "$scratch/s3" "$port" "$asked" "$@" & s3s+=($!)
	store="s3://drtest/runs?endpoint=http://127.0.0.1:$port&access-key=a&secret-access-key=topsecret&force-path-style=true"
	wait_for 20 bash -c ": >/dev/tcp/127.0.0.1/$port"
}

# ---- nothing is in the way, and all is told
s3
clusters "$store" 'primary.allow = { "backup", "gc", "changefeed" } secondary.allow = { "write" }'
expect "a sound pair" 0 'nothing is in the way' "${doctor[@]}"
has '^  primary +SQL +127\.0\.0\.1:'
has '^  primary +TLS +SQL: plain text; PD, TiCDC, status: no TLS'
has "^  primary +rights +.root.@.* has all privileges for what the file allows"
has "^  secondary +clock +PD's TSO is [0-9.]+ s "
has "^  primary +clock +TiCDC's clock is [0-9.]+ s "
has '^  primary +GC +tidb_gc_life_time = 10m0s, tidb_gc_enable = 1: .* and holds GC during that time'
has '^  primary +PD +v8\.5\.7-standin, 1 member, 1 of 1 store up'
has '^  - +store +a probe object was put, listed, read and deleted'
grep -q '^DELETE runs/drtest-doctor-' "$asked" && ok || bad "no probe was deleted: $(cat "$asked")"
grep -q topsecret "$scratch/out" && bad "the store's key is told" || ok
has "secrets +$f has a password, and every user of this machine can read it: chmod 600 $f"
chmod 600 "$f"
expect "a file that is its owner's alone" 0 'nothing is in the way' "${doctor[@]}"
grep -q 'every user' "$scratch/out" && bad "a file of mode 600 is said to be open" || ok

# ---- where no run would write to the store, the doctor does not
: >"$asked"
clusters "$store" ''
expect "a file that allows nothing" 0 'not written to: no cluster allows backup, restore or changefeed' "${doctor[@]}"
grep -qE '^(PUT|DELETE)' "$asked" && bad "it was written to: $(cat "$asked")" || ok

# ---- what the key may not do
for verb in PUT GET LIST DELETE; do
	s3 "$verb"
	clusters "$store" 'primary.allow = { "backup" }'
	word=${verb,,}
	[ "$verb" = DELETE ] && word='can be written but not deleted, and drtest-doctor-[0-9a-f]* remains there'
	[ "$verb" = DELETE ] || word="$word of a probe object"
	expect "a key without $verb" 3 "in the way store: (a probe object )?$word: " "${doctor[@]}"
	has 'fix: grant s3:'
	[ "$verb" = DELETE ] || { grep -c . "$asked" >/dev/null; [ "$verb" = PUT ] || grep -q '^DELETE' "$asked" && ok || bad "the probe was left after $verb"; }
done

# ---- rights for what the file allows, and TiCDC's account
s3
P -e "CREATE USER few IDENTIFIED BY 'pw'; GRANT SELECT ON *.* TO few"
S -e "CREATE USER sink IDENTIFIED BY 'pw'; GRANT SELECT, INSERT, UPDATE ON *.* TO sink; CREATE USER two IDENTIFIED BY 'pw'; GRANT ALL ON *.* TO two; REVOKE CREATE USER ON *.* FROM two"
few='primary.sql.user, primary.sql.password = "few", "pw"'
clusters "$store" "$few"
expect "who only compares" 3 "in the way primary: .few.@.%. lacks SHOW VIEW, for what the file allows" "${doctor[@]}"
has "fix: GRANT SHOW VIEW ON \*\.\* TO .few.@.%."
clusters "$store" "$few primary.allow = { 'write' }"
expect "who writes" 3 ".few.@.%. lacks SHOW VIEW, INSERT, UPDATE, DELETE, CREATE, .*PROCESS" "${doctor[@]}"
clusters "$store" 'primary.allow = { "changefeed" } secondary.allow = { "write" } secondary.sink = { user = "sink", password = "pw" }'
expect "TiCDC's account lacks rights" 3 "in the way secondary: .sink.@.%. lacks ALTER, CREATE, CREATE VIEW, DELETE, DROP, INDEX, REFERENCES" "${doctor[@]}"
clusters "$store" 'secondary.sink = { user = "sink", password = "other" }'
expect "TiCDC's account has another password" 3 "secondary: TiCDC's account cannot log in from this machine: .*Access denied" "${doctor[@]}"
clusters "$store" 'primary.allow = { "changefeed" } secondary.allow = { "write" } secondary.sql.user, secondary.sql.password = "two", "pw"'
expect "TiCDC has no account, and none can be made" 3 "secondary: TiCDC has no account to write to it \(sink\), and .two.@.%. cannot create one" "${doctor[@]}"

# ---- clocks
clusters "$store" ''
echo -90 >"$scratch/clock"
expect "TiCDC's clock is wrong" 3 "in the way primary: TiCDC's clock is (89|9[0-1])\.[0-9]+ s behind this machine's" "${doctor[@]}"
has 'fix: use one source of time'
rm "$scratch/clock"

# ---- the changefeed
sed -i 's|store = "|changefeed = "nobody", &|' "$f"
expect "a changefeed that is not there" 3 'in the way primary: TiCDC has no changefeed nobody' "${doctor[@]}"
api=http://127.0.0.1:$((offset + 8300))/api/v2
make() { PYTHONPATH=tests/standins python3 -B -c 'import common, sys, json; common.http_json("POST", sys.argv[1] + "/changefeeds", json.loads(sys.argv[2]), 60)' "$api" "$1" >/dev/null; }
make '{"changefeed_id": "bare", "sink_uri": "mysql://root@127.0.0.1:'$((offset + 5000))'/"}' || bad "no changefeed could be made"
clusters "$store" ''
expect "a changefeed without a redo log" 3 'changefeed bare writes no redo log \(consistent\.level = "none"\)' "${doctor[@]}"
make '{"changefeed_id": "live", "sink_uri": "mysql://root@127.0.0.1:'$((offset + 5000))'/", "replica_config": {"consistent": {"level": "eventual", "storage": "file://'$scratch'/redo", "flush_interval": 700}}}'
sed -i 's|store = "|changefeed = "live", redo = "file://'"$scratch"'/other", &|' "$f"
expect "its redo settings, and another log than the file's" 3 "changefeed live writes its redo log to file://$scratch/redo, but redo in the file is different" "${doctor[@]}"
has '^  primary +changefeed +live is normal, .*consistent.level = "eventual", redo log in file://.*/redo, flush interval 700 ms, meta 200 ms'
