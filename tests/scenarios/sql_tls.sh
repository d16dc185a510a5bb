#!/bin/bash
# `sql.tls` and `server_name` of a clusters file against a real server with TLS: another name and another CA are refused, and so is who has no client's
# certificate where one is wanted. The doctor tells what was made.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
command -v openssl >/dev/null || { skipped=1; passed=1; echo "skipped: openssl is not installed"; exit 0; }
servers
c=$scratch/certificates
mkdir "$c"
authority() { openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$c/$1.key" -out "$c/$1.pem" 2>/dev/null; }
signed() { # NAME CA SUBJECT SAN
	openssl req -newkey rsa:2048 -nodes -subj "$3" -keyout "$c/$1.key" -out "$c/$1.csr" 2>/dev/null
	openssl x509 -req -days 2 -in "$c/$1.csr" -CA "$c/$2.pem" -CAkey "$c/$2.key" -CAcreateserial -extfile <(echo "subjectAltName=$4") -out "$c/$1.pem" 2>/dev/null
}
authority ca; authority other
signed server ca /CN=db.example DNS:db.example
signed client ca /CN=drtest DNS:drtest
signed stranger other /CN=drtest DNS:drtest
chmod 755 "$c"; chmod 644 "$c"/*
port=$(free_port)
server tls "$port" --ssl-ca="$c/ca.pem" --ssl-cert="$c/server.pem" --ssl-key="$c/server.key"
plain=$(free_port)
server plain "$plain"
mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot --ssl --skip-ssl-verify-server-cert -e "CREATE USER x IDENTIFIED BY 'pw' REQUIRE X509; GRANT SELECT, SHOW VIEW ON *.* TO x" 2>"$scratch/err" ||
	mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -e "CREATE USER x IDENTIFIED BY 'pw' REQUIRE X509; GRANT SELECT, SHOW VIEW ON *.* TO x" || bad "no account: $(cat "$scratch/err")"
doctor() { # NAME EXIT PATTERN TLS [USER [PORT]]
	printf 'return { primary = { kind = "mysql", sql = { host = "127.0.0.1", port = %s, user = "%s", password = "%s", tls = %s } } }\n' \
		"${6:-$port}" "${5:-root}" "$([ "${5:-root}" = root ] || echo pw)" "$4" >"$scratch/c.lua"
	expect "$1" "$2" "$3" "$DRTEST" doctor --clusters "$scratch/c.lua"
}
ca="ca = \"$c/ca.pem\"" named='server_name = "db.example"' mine="cert = \"$c/client.pem\", key = \"$c/client.key\""
doctor "the CA and the name" 0 '^  primary +TLS +SQL: verified, (TLS|ECDHE)' "{ $ca, $named }"
doctor "its address is not its name" 3 'in the way primary: .*(certificate|SSL|TLS|name)' "{ $ca }"
doctor "another name" 3 'in the way primary: .*(certificate|SSL|TLS|name)' "{ $ca, server_name = \"other.example\" }"
doctor "another CA" 3 'in the way primary: .*(certificate|SSL|TLS)' "{ ca = \"$c/other.pem\", $named }"
doctor "the system's CAs, which do not know it" 3 'in the way primary: .*(certificate|SSL|TLS)' "{ $named }"
doctor "no TLS there" 3 'in the way primary: .*(SSL|TLS)' "{ $ca, $named }" root "$plain"
doctor "an account that wants a certificate, without" 3 'in the way primary: .*Access denied' "{ $ca, $named }" x
doctor "with a certificate of another CA" 3 'in the way primary: ' "{ $ca, $named, cert = \"$c/stranger.pem\", key = \"$c/stranger.key\" }" x
doctor "with its certificate" 0 '^  primary +rights +.x.@' "{ $ca, $named, $mine }" x
doctor "in plain text where that is said" 0 '^  primary +TLS +SQL: plain text' false
