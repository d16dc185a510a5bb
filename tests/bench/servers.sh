# Two real MariaDB servers, a and b, below $dir, which goes with them; sbtest's 10 x 100,000 rows in a. Sourced, with $server_options set.
# shellcheck shell=bash disable=SC2154
dir=$(mktemp -d /var/tmp/drtest-bench.XXXXXX)
pids=()
end() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || :; done
	for p in "${pids[@]}"; do wait "$p" 2>/dev/null || :; done
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT TERM
chmod 755 "$dir"
as=() who=$(id -un)
if [ "$(id -u)" = 0 ]; then who=nobody; as=(--user=nobody); fi
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
server() { # NAME PORT
	mkdir -p "$dir/$1/tmp"; chown -R "$who" "$dir/$1"
	mariadb-install-db --no-defaults "${as[@]}" --datadir="$dir/$1/data" --tmpdir="$dir/$1/tmp" --auth-root-authentication-method=normal \
		--skip-test-db >"$dir/$1.install" 2>&1 || { cat "$dir/$1.install"; exit 3; }
	mariadbd --no-defaults "${as[@]}" --datadir="$dir/$1/data" --tmpdir="$dir/$1/tmp" --port="$2" --bind-address=127.0.0.1 --socket="$dir/$1/s" \
		--log-bin=bin --binlog-format=ROW --server-id="$2" --innodb-buffer-pool-size=512M --innodb-log-file-size=256M "${server_options[@]}" \
		>"$dir/$1.log" 2>&1 &
	pids+=($!)
	for _ in $(seq 200); do
		mariadb --no-defaults -h127.0.0.1 -P"$2" -uroot -e 'SELECT 1' >/dev/null 2>&1 && return
		sleep 0.1
	done
	tail "$dir/$1.log"; exit 3
}
a=$(free_port); server a "$a"
b=$(free_port); server b "$b"
A() { mariadb --no-defaults -h127.0.0.1 -P"$a" -uroot "$@"; }
B() { mariadb --no-defaults -h127.0.0.1 -P"$b" -uroot "$@"; }
A -e 'CREATE DATABASE sbtest'
sysbench oltp_write_only --mysql-host=127.0.0.1 --mysql-port="$a" --mysql-user=root --tables=10 --table-size=100000 --threads=1 prepare >"$dir/prepare"
