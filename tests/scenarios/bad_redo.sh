#!/bin/bash
# Redo logs that are not whole, and wrong ways to ask for a replay: one clear line, the right exit code, before any server is touched
# (the sink here is a port where nobody listens).
. "$(dirname "$0")/lib.sh"
sink=mysql://root@127.0.0.1:1/
fixture=tests/fixtures/redo/small/log

log() { # a fresh copy of the fixture's log
	rm -rf "$scratch/log" "$scratch/tmp"
	cp -r "$fixture" "$scratch/log"
	chmod -R u+w "$scratch/log"
	mkdir -p "$scratch/tmp"
}
apply() { "$DRTEST" redo apply --storage "file://$scratch/log" --tmp-dir "$scratch/tmp" --sink-uri "$sink" "$@"; }
export -f apply
export DRTEST scratch sink

log
expect "meta of a whole log" 0 'checkpoint-ts:[0-9]+, resolved-ts:[0-9]+' "$DRTEST" redo meta --storage "file://$scratch/log"
expect "cat of a whole log" 0 't_types' "$DRTEST" redo cat --storage "file://$scratch/log"

log; rm "$scratch"/log/*.meta
expect "a log without meta" 3 'meta' bash -c apply
expect "meta of a log without meta" 3 'meta' "$DRTEST" redo meta --storage "file://$scratch/log"

log; rm -rf "$scratch/log"
expect "an absent log" 3 'meta|not found|No such' bash -c apply

log; row=$(ls "$scratch"/log/*_row_*.log); truncate -s -9 "$row"
expect "a truncated file is refused with its name and offset" 3 'row_[0-9]+_.*offset|offset.*row_[0-9]+_' bash -c apply

log; row=$(ls "$scratch"/log/*_row_*.log); printf '\377\377\377\377\377\377\377\000' | dd of="$row" conv=notrunc bs=1 status=none
expect "an absurd length is refused" 3 'offset 0' bash -c apply

# TiCDC's logs have no checksum: what one altered bit makes of a name, a field's name, a value, a DDL
alter() { # FILE FROM TO: the first place that reads so
	python3 - "$@" <<-'EOF'
		import sys
		path, was, now = sys.argv[1], *(a.encode() for a in sys.argv[2:])
		body = open(path, 'rb').read()
		assert was in body and len(was) == len(now)
		open(path, 'wb').write(body.replace(was, now, 1))
	EOF
}
for c in 'row:c_int:c_inu:another name of column' 'row:tbl-name:tbl-namd:a field is missing' 'row:2025-11-20:2025m11-20:cannot have its value' \
	'row:redo_small:redo_smell:another table' 'ddl:ALTER:AMTER:begins with ALTER' 'ddl:t_types` ADD:t_typew` ADD:does not name its table'; do
	IFS=: read -r kind was now says <<<"$c"
	log; alter "$(ls "$scratch"/log/*_"$kind"_*.log)" "$was" "$now"
	expect "$was read as $now is told" 1 "BROKEN .*$says" "$DRTEST" redo check --storage "file://$scratch/log"
	expect "$was read as $now is refused" 3 "$says" bash -c apply
done

# a resolvedTs of the year 2106
log; meta=$(ls "$scratch"/log/*.meta); printf '\202\254checkpointTs\024\252resolvedTs\317\017\377\377\377\377\377\377\377' >"$meta"
expect "a resolvedTs far in the future" 3 'resolvedTs.*after this machine' bash -c apply

# resolvedTs below checkpointTs: {"checkpointTs": 20, "resolvedTs": 10}
log; meta=$(ls "$scratch"/log/*.meta); printf '\202\254checkpointTs\024\252resolvedTs\012' >"$meta"
expect "resolvedTs below checkpointTs" 3 'resolvedTs.*checkpointTs|checkpointTs.*resolvedTs' bash -c apply

log; meta=$(ls "$scratch"/log/*.meta); printf 'garbage' >"$meta"
expect "a meta that is no meta" 3 'meta' bash -c apply

log
expect "a server that is not there" 3 '127\.0\.0\.1:1' bash -c apply
expect "apply without a sink" 2 'sink-uri' "$DRTEST" redo apply --storage "file://$scratch/log" --tmp-dir "$scratch/tmp"
expect "apply without storage" 2 'storage' "$DRTEST" redo apply --sink-uri "$sink" --tmp-dir "$scratch/tmp"
expect "an unknown option" 2 'frobnicate' "$DRTEST" redo apply --frobnicate
expect "an unknown scheme" 2 'ftp' "$DRTEST" redo meta --storage ftp://host/log
expect "help" 0 'storage' "$DRTEST" redo apply --help
