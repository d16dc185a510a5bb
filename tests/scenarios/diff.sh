#!/bin/bash
# drtest diff as a user types it: exit codes, what is said of what was not compared, sync_diff_inspector's configuration. Two real servers.
. "$(dirname "$0")/lib.sh"
servers
a=$(free_port); server a "$a"
b=$(free_port); server b "$b"
A() { mariadb --no-defaults -h127.0.0.1 -P"$a" -uroot -e "$1" || bad "$1"; }
B() { mariadb --no-defaults -h127.0.0.1 -P"$b" -uroot -e "$1" || bad "$1"; }
AB() { A "$1"; B "$1"; }
diff=("$DRTEST" diff --a "mysql://root@127.0.0.1:$a" --b "mysql://root@127.0.0.1:$b")

expect "nothing is no equality" 4 'nothing was compared: neither side has a table' "${diff[@]}"
AB "CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, p INT, q INT); CREATE TABLE t1 LIKE t; CREATE TABLE t2 LIKE t"
AB "INSERT INTO d.t VALUES (1,10,20),(2,30,40); CREATE TRIGGER d.tr AFTER INSERT ON d.t FOR EACH ROW SET @x = 1"
expect "equal, and what was not compared" 0 'b equals a: 2 rows of 3 tables, structure too; not compared: trigger d.tr' "${diff[@]}"
expect "the same as JSON" 0 '"not_compared": \[' "${diff[@]}" --json
expect "a filter that matches nothing" 2 "'nosuch\.\*' matches no table" "${diff[@]}" --tables 'nosuch.*'
expect "a table with a typo" 2 "'d\.typo' matches no table" "${diff[@]}" --tables d.t --tables d.typo
expect "an ignore that matches nothing" 2 "'d\.t\.nosuch' matches no table and no column" "${diff[@]}" --ignore d.t.nosuch
expect "an ignore without a table" 2 'is not db.table or db.table.column' "${diff[@]}" --ignore nosuch
expect "all of it ignored" 2 'no table to compare' "${diff[@]}" --ignore 'd.*'
B "ALTER TABLE d.t MODIFY q INT AFTER id"
expect "columns in another order" 1 'columns `id`,`p`,`q`.*columns `id`,`q`,`p`' "${diff[@]}"
B "CREATE DATABASE tidb_cdc; CREATE TABLE tidb_cdc.syncpoint_v1 (ticdc_cluster_id VARCHAR(255), changefeed VARCHAR(255), primary_ts VARCHAR(18), secondary_ts VARCHAR(18), \
	PRIMARY KEY (changefeed, primary_ts)); INSERT INTO tidb_cdc.syncpoint_v1 VALUES ('default', 'cf', '470764082878218242', '470764083730186243')"
expect "a pair with syncpoints, read as it stands" 1 '^TiCDC writes syncpoints to b, .*--snapshot auto' "${diff[@]}" --tables 'd.*'
B "DROP DATABASE tidb_cdc"
expect "ignored, and told" 0 'not compared: table d.t: skipped as requested' "${diff[@]}" --ignore d.t
B "ALTER TABLE d.t MODIFY q BIGINT AFTER p"
expect "rows that were not compared are told" 1 'd.t: rows not compared because the columns differ: 2 and 2 rows' "${diff[@]}"
B "ALTER TABLE d.t MODIFY q INT AFTER p; SET GLOBAL max_allowed_packet = 1024"
AB "CREATE TABLE d.w (id INT PRIMARY KEY, a VARCHAR(900), b VARCHAR(900)); INSERT INTO d.w VALUES (7,REPEAT('a',900),REPEAT('b',900))"
expect "rows larger than a packet" 4 '"key": \{"id": "7"\}.*max_allowed_packet' "${diff[@]}"
B "SET GLOBAL max_allowed_packet = 16777216"
AB "DROP TABLE d.w"

c=$(free_port); server c "$c" --event-scheduler=DISABLED # information_schema.EVENTS is an error there
mariadb --no-defaults -h127.0.0.1 -P"$c" -uroot -e "CREATE DATABASE e; CREATE TABLE e.t (id INT PRIMARY KEY); INSERT INTO e.t VALUES (1)"
A "CREATE DATABASE e; CREATE TABLE e.t (id INT PRIMARY KEY); INSERT INTO e.t VALUES (1)"
expect "a server without an event scheduler" 0 'b equals a: 1 rows of 1 tables' "$DRTEST" diff --a "mysql://root@127.0.0.1:$a" --b "mysql://root@127.0.0.1:$c" --tables 'e.*'
expect "its backup" 0 '' "$DRTEST" backup --storage "file://$scratch/backup" --source-uri "mysql://root@127.0.0.1:$c"
A "DROP DATABASE e"

config() { # FILTER [MORE]
	cat >"$scratch/c.toml" <<T
[data-sources]
up = { host = "127.0.0.1", port = $a, user = "root" }
[data-sources."down"]
port = $b
${3:-}
[task]
output-dir = "$scratch/result"
source-instances = ["up"]
target-instance = "down"
target-check-tables = $1
${2:-}
T
}
B "INSERT INTO d.t1 VALUES (1,1,1); INSERT INTO d.t2 VALUES (100,1,1)"
config '["d.*"]'; sed -i "s/^port = $b$/port = $a/" "$scratch/c.toml"
expect "a configuration of one server, twice" 2 'one server: it would be compared with itself' "$DRTEST" diff --config "$scratch/c.toml"
config '["d.*", "!d.t*", "d.t1"]'
expect "the last rule that matches decides: in" 1 'data of .d.\..t1. is not equal' "$DRTEST" diff --config "$scratch/c.toml"
config '["d.*", "d.t1", "!d.t?"]'
expect "the last rule that matches decides: out" 0 'A total of 1 table have been compared and all are equal' "$DRTEST" diff --config "$scratch/c.toml"
AB "CREATE TABLE d.\`ü1\` LIKE d.t"
B "INSERT INTO d.\`ü1\` VALUES (1,1,1)"
config '[" d.?1 "]'
expect "a pattern's '?' is a character" 1 'data of .d.\..ü1. is not equal' "$DRTEST" diff --config "$scratch/c.toml"
AB "DROP TABLE d.\`ü1\`"
config '["nosuch.*"]'
expect "a rule that matches nothing" 2 "'nosuch" "$DRTEST" diff --config "$scratch/c.toml"
config '["d.t2"]' 'target-configs = ["c"]
[table-configs.c]
target-tables = ["d.t2"]
range = "id < 100"'
expect "a range" 0 'all are equal' "$DRTEST" diff --config "$scratch/c.toml"
A "CREATE DATABASE s; CREATE TABLE s.u LIKE d.t1; INSERT INTO s.u VALUES (1,1,1)"
B "CREATE TABLE d.u LIKE d.t1; INSERT INTO d.u VALUES (1,1,1)"
config '["d.u"]' '[routes.r]
schema-pattern = "s"
target-schema = "d"'
sed -i "s/^up = .*/up = { port = $a, route-rules = [\"r\"] }/" "$scratch/c.toml"
expect "a route" 0 'A total of 1 table have been compared and all are equal' "$DRTEST" diff --config "$scratch/c.toml"
config '["d.*"]'
sed -i '1i skip-non-existing-table = true' "$scratch/c.toml"
B "DELETE FROM d.t1; DELETE FROM d.t2"
expect "a table that the target alone has" 0 'not compared: table d.u' "$DRTEST" diff --config "$scratch/c.toml"
expect "no syncpoint" 3 'has no tidb_cdc.syncpoint_v1' "${diff[@]}" --snapshot auto
B "CREATE DATABASE tidb_cdc; CREATE TABLE tidb_cdc.syncpoint_v1 (changefeed VARCHAR(99), primary_ts VARCHAR(18), secondary_ts VARCHAR(18));
INSERT INTO tidb_cdc.syncpoint_v1 VALUES ('f','99','98'),('f','431434047157698561','431434047157698570')"
expect "the newest syncpoint is asked for" 3 "tidb_snapshot = '431434047157698561'" "${diff[@]}" --snapshot auto
B "DROP DATABASE tidb_cdc"
