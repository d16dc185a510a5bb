#!/bin/bash
# The secondary over TLS: its certificate checked against ssl-ca, ours given with ssl-cert and ssl-key, the password from a file or the
# environment. Needs MariaDB and openssl.
for t in mariadbd mariadb-install-db mariadb openssl; do
	command -v $t >/dev/null || { echo "skipped: $t is not installed"; exit 77; }
done
. "$(dirname "$0")/lib.sh"
pid=
cleanup() {
	[ -z "$pid" ] || { kill "$pid"; wait "$pid" 2>/dev/null; }
	rm -rf "$data"
	finish
}
data=$(mktemp -d /var/tmp/drtest-tls.XXXXXX)
trap cleanup EXIT
chmod 755 "$data"
cert() { # NAME SUBJECT EXTENSION
	openssl req -newkey rsa:2048 -nodes -keyout "$data/$1.key" -subj "$2" -out "$data/$1.csr" 2>/dev/null &&
		openssl x509 -req -in "$data/$1.csr" -CA "$data/ca.pem" -CAkey "$data/ca.key" -CAcreateserial -days 2 -out "$data/$1.pem" \
			-extfile <(echo "$3") 2>/dev/null
}
for ca in ca stranger; do
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$data/$ca.key" -out "$data/$ca.pem" -days 2 -subj "/CN=$ca" 2>/dev/null
done
cert server /CN=127.0.0.1 subjectAltName=IP:127.0.0.1,DNS:127.0.0.1
cert client /CN=replay basicConstraints=CA:FALSE
chmod 644 "$data"/*.key "$data"/*.pem
as=() who=$(id -un)
if [ "$(id -u)" = 0 ]; then who=nobody; as=(--user=nobody); fi
mkdir "$data/d" "$data/tmp"; chown "$who" "$data/d" "$data/tmp"
mariadb-install-db --no-defaults "${as[@]}" --datadir="$data/d" --tmpdir="$data/tmp" --auth-root-authentication-method=normal --skip-test-db >"$scratch/install" 2>&1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mariadbd --no-defaults "${as[@]}" --datadir="$data/d" --tmpdir="$data/tmp" --port="$port" --bind-address=127.0.0.1 --socket="$data/d/s" \
	--ssl-ca="$data/ca.pem" --ssl-cert="$data/server.pem" --ssl-key="$data/server.key" --performance-schema=OFF >"$scratch/server" 2>&1 &
pid=$!
Q() { mariadb --no-defaults --protocol=socket -S "$data/d/s" -uroot -N "$@"; }
for _ in $(seq 200); do Q -e 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.1; done
Q -e "CREATE USER tls@'127.0.0.1' IDENTIFIED BY 'word-of-pass' REQUIRE X509; GRANT ALL ON *.* TO tls@'127.0.0.1'; SET GLOBAL time_zone = '+00:00'" &&
	Q <tests/fixtures/redo/sysbench/initial.sql || bad "the server: $(tail -n 3 "$scratch/server")"
echo word-of-pass >"$scratch/password"
apply() { # PARAMETERS OPTIONS...
	local p=$1
	shift
	"$DRTEST" redo apply --storage "file://$PWD/tests/fixtures/redo/sysbench/log" --tmp-dir "$scratch/tmp" --sink-uri "mysql://tls@127.0.0.1:$port/$p" "$@"
}
export -f apply
export DRTEST scratch port data
mine="&ssl-cert=$data/client.pem&ssl-key=$data/client.key"
expect "TLS with both certificates, the password from a file" 0 'Apply redo log successfully' bash -c "apply '?ssl-ca=$data/ca.pem$mine' --sink-password-file $scratch/password"
[ "$(Q -e 'SELECT COUNT(*) FROM redo_sb.sbtest1')" -gt 90 ] && ok || bad "no rows arrived"
DRTEST_SINK_PASSWORD=word-of-pass expect "the password from the environment, txn mode" 0 'successfully' bash -c "apply '?ssl-ca=$data/ca.pem$mine' --mode txn"
expect "a wrong password" 3 'Access denied' bash -c "DRTEST_SINK_PASSWORD=guess apply '?ssl-ca=$data/ca.pem$mine'"
expect "a server of another authority is refused" 3 'certificate|SSL|TLS' bash -c "DRTEST_SINK_PASSWORD=word-of-pass apply '?ssl-ca=$data/stranger.pem$mine'"
expect "without our certificate the server refuses" 3 'Access denied' bash -c "DRTEST_SINK_PASSWORD=word-of-pass apply '?ssl-ca=$data/ca.pem'"
expect "without TLS the server refuses" 3 'Access denied' bash -c "DRTEST_SINK_PASSWORD=word-of-pass apply ''"
expect "a certificate file that is not there" 3 'SSL|TLS|nothing|certificate' bash -c "DRTEST_SINK_PASSWORD=word-of-pass apply '?ssl-ca=$data/nothing.pem'"
grep -rq word-of-pass "$scratch/out" && bad "the password is shown" || ok

# drtest load keeps what it was told: its connections are the load's, not one that only prepares
Q -e "CREATE USER plain@'127.0.0.1' IDENTIFIED BY 'x'; GRANT ALL ON *.* TO plain@'127.0.0.1'"
loads() { MYSQL_PWD=x timeout 100 "$DRTEST" load ledger "$@" --mysql-port="$port" --mysql-user=plain --mysql-db=tls --rate=0 --events=20; }
export -f loads
expect "a load over TLS is prepared" 0 'prepared' bash -c "loads prepare --mysql-ssl-ca=$data/ca.pem"
expect "a load over TLS" 0 'transactions: *20 ' bash -c "loads run --mysql-ssl-ca=$data/ca.pem"
expect "a load over TLS with whomever" 0 'transactions: *20 ' bash -c "loads run --mysql-ssl=REQUIRED"
expect "a load and a server of another authority" 3 'worker 1: connect: .*(certificate|SSL|TLS)' bash -c "loads run --mysql-ssl-ca=$data/stranger.pem"
expect "a load and a certificate for another name" 3 'worker 1: connect: .*(certificate|SSL|TLS)' bash -c "loads run --mysql-ssl-ca=$data/ca.pem --mysql-host=localhost"
expect "a load, TLS and no TLS" 2 'mysql-ssl=off cannot be combined with --mysql-ssl-ca' bash -c "loads run --mysql-ssl=off --mysql-ssl-ca=$data/ca.pem"
