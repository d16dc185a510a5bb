#!/bin/bash
# `sink.tls` of a clusters file against real servers with TLS: the changefeed (a stand-in's, whose TLS is that of `drtest feed`) writes where CA, name and date are
# right; else it is refused with one line that says why, in TiCDC's words, and what to do. Nothing is left there.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
for t in mariadbd mariadb-install-db openssl; do command -v "$t" >/dev/null || { echo "skipped: $t is not installed"; exit 77; }; done
attached_pair
as=() who=$(id -un) pids=()
if [ "$(id -u)" = 0 ]; then who=nobody; as=(--user=nobody); fi
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done; for c in "$scratch"/*.pid; do [ -e "$c" ] && "$scratch/kill" "$(basename "$c" .pid)"; done; finish' EXIT
c=$scratch/certificates
mkdir "$c"
authority() { openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$c/$1.key" -out "$c/$1.pem" 2>/dev/null; }
signed() { # NAME SAN DAYS
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$c/$1.key" -out "$c/$1.csr" 2>/dev/null
	openssl x509 -req -days "$3" -in "$c/$1.csr" -CA "$c/ca.pem" -CAkey "$c/ca.key" -CAcreateserial -extfile <(echo "subjectAltName=$2") -out "$c/$1.pem" 2>/dev/null
}
authority ca; authority other
signed good IP:127.0.0.1 2; signed named DNS:db.example 2; signed late IP:127.0.0.1 -1; signed client DNS:ticdc 2
chmod 755 "$c"; chmod 644 "$c"/*
cat >"$scratch/feed.lua" <<'L'
return require "drtest.scenario" { name = "feed", options = { id = { "x", "its id" } }, run = function(t, opt)
  t:step("feed", function()
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    local feed = primary:changefeed { id = opt.id, sink = secondary, start_ts = t.tso(primary:position()) }
    primary:sql "CREATE DATABASE IF NOT EXISTS shop"
    primary:sql("CREATE TABLE shop." .. opt.id .. " (id INT PRIMARY KEY)")
    local at = primary:position()
    t:eventually("it arrives", "20m", function() return feed:reached(at) end)
    t:check("it is there", #secondary:query("SHOW TABLES FROM shop LIKE '" .. opt.id .. "'") == 1)
  end)
end }
L
on() { mariadb --no-defaults -S"$scratch/$1/s" -uroot -BNe "$2"; }
n=0
feed() { # NAME SERVER TLS EXIT PATTERN
	n=$((n + 1))
	cat >"$scratch/clusters.lua" <<L
$at_lua
local primary = at($offset)
primary.allow = { "changefeed", "write" }
return { primary = primary, secondary = { kind = "mysql", allow = { "write" }, sql = { host = "127.0.0.1", port = $(cat "$scratch/$2.port"), tls = false },
  sink = { user = "sink", password = "pw", tls = $3 } } }
L
	expect "$1" "$4" "$5" "$DRTEST" run "$scratch/feed.lua" --on attach --clusters "$scratch/clusters.lua" --out "$out" --set "id=f$n"
	[ "$4" = 0 ] || [ -z "$(on "$2" "SHOW TABLES FROM shop LIKE 'f$n'" 2>/dev/null)" ] && ok || bad "$1: it was written"
	[ "$4" = 0 ] || [ "$(grep -c 'fix: ' "$scratch/out")" = 1 ] && ok || bad "$1: not one way out: $(cat "$scratch/out")"
}
start() { # NAME [OPTION…]
	local name=$1 port; port=$(free_port)
	shift
	echo "$port" >"$scratch/$name.port"
	server "$name" "$port" "$@"
	on "$name" "CREATE USER sink IDENTIFIED BY 'pw' ${need:-}; GRANT ALL ON *.* TO sink"
}
for name in good named late; do start "$name" --ssl-ca="$c/ca.pem" --ssl-cert="$c/$name.pem" --ssl-key="$c/$name.key"; done
start plain --skip-ssl
need='REQUIRE X509' start both --ssl-ca="$c/ca.pem" --ssl-cert="$c/good.pem" --ssl-key="$c/good.key"
ca="ca = \"$c/ca.pem\""
feed "the right CA" good "{ $ca }" 0 PASS
feed "another CA" good "{ ca = \"$c/other.pem\" }" 3 'certificate signed by unknown authority.*fix: TiCDC does not trust'
feed "another name" named "{ $ca }" 3 "cannot validate certificate for 127\.0\.0\.1.*fix: TiCDC does not trust"
feed "an expired certificate" late "{ $ca }" 3 'certificate has expired.*fix: TiCDC does not trust'
feed "no TLS there" plain "{ $ca }" 3 'server does not support TLS.*fix: the sink has no TLS'
feed "an account that wants a certificate, without" both "{ $ca }" 3 "fix: the sink refuses TiCDC's user"
feed "with one" both "{ $ca, cert = \"$c/client.pem\", key = \"$c/client.key\" }" 0 PASS
feed "a CA that is not there" good "{ ca = \"$c/none.pem\" }" 3 'fix: the files of sink.tls'
