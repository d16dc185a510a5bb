#!/bin/bash
# The accounts that `drtest doctor --grants` prints, made by exactly that SQL: what drtest does in each role works with them, and where one right is
# lacking it is refused by name before anything is written. Real MariaDB servers.
. "$(dirname "$0")/lib.sh"
servers
a=$(free_port); server a "$a" --general-log=1 --general-log-file="$scratch/a/log" --log-bin=bin --server-id=1 --binlog-format=ROW
b=$(free_port); server b "$b" --server-id=2
A() { mariadb --no-defaults -h127.0.0.1 -P"$a" -uroot "$@"; }
B() { mariadb --no-defaults -h127.0.0.1 -P"$b" -uroot "$@"; }
uri() { echo "mysql://$1:pw@127.0.0.1:$2"; }
log() { echo "file://$PWD/tests/fixtures/redo/$1/log"; }

"$DRTEST" doctor --grants --kind mariadb >"$scratch/grants.sql"
for to in A B; do $to <"$scratch/grants.sql" && ok || bad "the statements do not run: $(cat "$scratch/grants.sql")"; done
expect "an account is of no use before its owner gives it a password" 1 'account is locked' mariadb --no-defaults -h127.0.0.1 -P"$b" -udrtest_scratch -e 'SELECT 1'
roles=(compare rehearse scratch drill sink)
for r in "${roles[@]}"; do for to in A B; do $to -e "ALTER USER 'drtest_$r'@'%' IDENTIFIED BY 'pw' ACCOUNT UNLOCK"; done; done
A -BNe "SELECT user FROM mysql.user WHERE Super_priv = 'Y' AND user LIKE 'drtest%'" | grep -q . && bad "a superuser was made" || ok
A -BNe "SELECT user FROM mysql.user WHERE Grant_priv = 'Y' AND user LIKE 'drtest%'" | grep -q . && bad "an account may give its rights away" || ok

# ---- compare, rehearse by hand: backup, restore, compare, replay (with DDLs)
A -e "CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT, u INT, UNIQUE KEY (u));
	INSERT INTO t (v, u) VALUES ('a', 1), ('b', 2); CREATE VIEW w AS SELECT * FROM t; CREATE SEQUENCE q; CREATE TABLE c (id INT PRIMARY KEY, f INT, FOREIGN KEY (f) REFERENCES t (id))"
backup=("$DRTEST" backup --source-uri "$(uri drtest_rehearse "$a")" --storage "file://$scratch/full")
restore=("$DRTEST" restore --target-uri "$(uri drtest_scratch "$b")" --storage "file://$scratch/full")
apply=("$DRTEST" redo apply --time-zone +00:00 --sink-uri "$(uri drtest_scratch "$b")" --storage)
expect "a backup by drtest_rehearse" 0 "triggers, which this account cannot see" "${backup[@]}"
expect "a restore by drtest_scratch, a foreign definer's view too" 0 'Rows +2' "${restore[@]}"
expect "a compare by drtest_compare" 0 'b equals a: 2 rows .*trigger \*, event \*' "$DRTEST" diff --a "$(uri drtest_compare "$a")" --b "$(uri drtest_compare "$b")"
for l in keyswap real-ddl; do B <"tests/fixtures/redo/$l/initial.sql"; done
mariadb --no-defaults -h127.0.0.1 -P"$b" -udrtest_sink -ppw -e 'SELECT SLEEP(100)' >/dev/null 2>&1 &
sleeper=$!
expect "a replay by drtest_scratch" 0 'Apply redo log successfully' "${apply[@]}" "$(log keyswap)"
seen() { B -BNe "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'drtest_sink'" | grep -qx "$1"; }
wait_for 30 seen 1 && ok || bad "the sink's session is not there"
expect "a replay with DDLs, which ends what TiCDC's account left running" 0 'Apply redo log successfully' "${apply[@]}" "$(log real-ddl)" --fence-user drtest_sink
seen 0 && ok || bad "what TiCDC's account left running goes on"
wait "$sleeper"

# ---- drill by hand: the load, the backup, the replay, the verdict, each with one account
load=("$DRTEST" load oltp_write_only --mysql-host=127.0.0.1 --mysql-port="$a" --mysql-user=drtest_drill --mysql-password=pw --tables=2 --table-size=50 --rand-seed=7)
expect "prepare by drtest_drill" 0 'is prepared' "${load[@]}" prepare --ledger-rows
expect "the load by drtest_drill" 0 '' "${load[@]}" run --ledger-rows --ledger-dir="$scratch/ledger" --events=50 --threads=2 --time=0
expect "a backup by drtest_drill" 0 '' "$DRTEST" backup --source-uri "$(uri drtest_drill "$a")" --storage "file://$scratch/drill"
B -e 'DROP DATABASE shop'
expect "a restore by drtest_drill" 0 '' "$DRTEST" restore --target-uri "$(uri drtest_drill "$b")" --storage "file://$scratch/drill"
expect "the verdict by drtest_compare" 0 'PASS' "$DRTEST" judge oltp_write_only --ledger-dir "$scratch/ledger" --server "$(uri drtest_compare "$b")" --tables 2 --table-size 50 --rand-seed 7
expect "a replay by drtest_drill" 0 'Apply redo log successfully' "$DRTEST" redo apply --sink-uri "$(uri drtest_drill "$b")" --storage "$(log keyswap)"
expect "cleanup by drtest_drill" 0 '' "${load[@]}" cleanup --ledger-rows

# ---- what only reads sends the server nothing else
wrote() { grep -aiE '(Query|Execute)[[:space:]]+(INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|RENAME|TRUNCATE|GRANT|REVOKE|LOAD|SET GLOBAL|KILL|LOCK TABLES|CALL)' "$scratch/a/log"; }
A -e 'CREATE TABLE shop.seen (id INT PRIMARY KEY)'
wrote >/dev/null && ok || bad "the log does not tell of writes"
: >"$scratch/a/log"
expect "backup reads" 0 '' "$DRTEST" backup --source-uri "mysql://root@127.0.0.1:$a" --storage "file://$scratch/again"
expect "diff reads" 1 '' "$DRTEST" diff --a "mysql://root@127.0.0.1:$a" --b "mysql://root@127.0.0.1:$b" --fix-sql "$scratch/fix.sql"
"$DRTEST" judge oltp_write_only --ledger-dir "$scratch/ledger" --server "mysql://root@127.0.0.1:$a" --tables 2 --table-size 50 --rand-seed 7 >/dev/null 2>&1
"$DRTEST" doctor --clusters <(echo "return { primary = { kind = 'mysql', sql = { host = '127.0.0.1', port = $a } } }") >"$scratch/out" 2>&1 && ok || bad "doctor: $(cat "$scratch/out")"
wrote >"$scratch/wrote"
[ ! -s "$scratch/wrote" ] && ok || bad "a command that reads wrote: $(cat "$scratch/wrote")"
[ "$(grep -ac 'TRANSACTION READ ONLY' "$scratch/a/log")" -ge 4 ] && ok || bad "not every session was read-only: $(grep -ac Connect "$scratch/a/log")"

# ---- each right is needed: without it, it is refused by name, and nothing is written
without() { # ACCOUNT RIGHT PATTERN COMMAND…
	local account=$1 right=$2 pattern=$3 before
	shift 3
	for to in A B; do $to -e "REVOKE $right ON *.* FROM '$account'@'%'"; done
	before=$(B -BNe "SELECT GROUP_CONCAT(TABLE_SCHEMA, '.', TABLE_NAME ORDER BY 1) FROM information_schema.TABLES")
	expect "$account without $right" 3 "$pattern" "$@"
	[ "$(grep -c '^drtest' "$scratch/out")" = 1 ] && ok || bad "$account without $right: not one line: $(cat "$scratch/out")"
	[ "$before" = "$(B -BNe "SELECT GROUP_CONCAT(TABLE_SCHEMA, '.', TABLE_NAME ORDER BY 1) FROM information_schema.TABLES")" ] && ok || bad "$account without $right: something was made"
	for to in A B; do $to -e "GRANT $right ON *.* TO '$account'@'%'"; done
}
B -e 'DROP DATABASE shop; DROP DATABASE sbtest; DROP DATABASE drtest_feed'
for right in SELECT "SHOW VIEW"; do
	without drtest_rehearse "$right" "lacks .*$right.*GRANT .*$right" "$DRTEST" backup --source-uri "$(uri drtest_rehearse "$a")" --storage "file://$scratch/none"
	[ ! -e "$scratch/none/manifest.json" ] && ok || bad "a backup without $right was called one"
	rm -rf "$scratch/none"
done
for right in SELECT INSERT CREATE ALTER INDEX "CREATE VIEW" "SET USER"; do
	without drtest_scratch "$right" "restore.*lacks .*$right.*GRANT .*$right" "${restore[@]}"
done
for right in SELECT INSERT UPDATE DELETE ALTER CREATE DROP INDEX PROCESS TRIGGER; do
	without drtest_scratch "$right" "replay: .* lacks .*$right.*GRANT .*$right" "${apply[@]}" "$(log real-ddl)"
done
without drtest_compare SELECT '[ab] does not show shop.t.*GRANT SELECT' "$DRTEST" diff --a "$(uri drtest_compare "$a")" --b "$(uri drtest_compare "$b")" --tables shop.t

# ---- rights on some databases alone are enough where no others are needed
B -e "CREATE USER few@'%' IDENTIFIED BY 'pw'; GRANT PROCESS ON *.* TO few@'%'; GRANT ALL ON redo_swap.* TO few@'%'; GRANT ALL ON \`drtest\\_feed\`.* TO few@'%'"
expect "rights on the log's databases alone" 0 'Apply redo log successfully' "$DRTEST" redo apply --sink-uri "$(uri few "$b")" --storage "$(log keyswap)"
expect "and not on others" 3 'lacks .* on real_ddl' "$DRTEST" redo apply --time-zone +00:00 --sink-uri "$(uri few "$b")" --storage "$(log real-ddl)"

# ---- the command itself
expect "no such role" 2 "'boss' is not a role \(use compare, watch, rehearse, drill\)" "$DRTEST" doctor --grants --role boss
expect "no such kind" 2 "'oracle' is not a kind of server" "$DRTEST" doctor --grants --kind oracle
expect "a role without --grants" 2 'need --grants' "$DRTEST" doctor --role drill
expect "a name and a host of one's own, quoted" 0 "CREATE USER IF NOT EXISTS 'it\\\\'s'@'10.0.%' ACCOUNT LOCK" "$DRTEST" doctor --grants --role compare --user "it's" --host '10.0.%'
