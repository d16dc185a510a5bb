#!/bin/bash
# drtest capacity over shards from elsewhere, on clusters that run already: they wait for the search, do what it says, and end without it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
command -v mariadbd >/dev/null || { echo "skipped: no mariadbd"; trap - EXIT; rm -rf "$scratch"; exit 77; }
attached_pair
running=()
trap 'for p in "${running[@]}"; do kill -9 "$p" 2>/dev/null; done; for c in "$scratch"/*.pid; do [ -e "$c" ] && "$scratch/kill" "$(basename "$c" .pid)"; done; finish' EXIT
staying_pair_file
quick=(--on attach --clusters "$scratch/clusters.lua" --tables 1 --table-size 500 --hold 1s --workers 4 --target 'p50<60s,lag<60s,rpo<60s' --load ledger --min-rate 20 --max-rate 20)
follow=("$DRTEST" load ledger run --rendezvous="file://$scratch/meet" --follow)
clean() { # what a search leaves on clusters that are not its own
	"$DRTEST" clean --clusters "$scratch/clusters.lua" >"$scratch/cleaned" 2>&1 || bad "clean: $(cat "$scratch/cleaned")"
}
search() {
	name=$1
	shift
	mkdir -p "$scratch/$name"
	"$DRTEST" capacity "${quick[@]/#1s/${hold:-1s}}" --out "$scratch/$name/runs" "$@" >"$scratch/$name/out" 2>&1 </dev/null &
	running+=($!)
	search=$!
}
shard() { "$DRTEST" load "$3" run --rendezvous="file://$scratch/$1" --follow --ledger-dir="$scratch/$1-ledger-$2" --shard="$2/2" >"$scratch/$1-$2" 2>&1 </dev/null & }
shard meet 1 ledger; first=$!
shard meet 2 ledger; second=$!
running+=("$first" "$second")
search far --shards 2 --rendezvous "file://$scratch/meet"
wait $search
rc=$?
if [ $rc != 0 ] && too_slow "$scratch/far/out"; then
	skipped=$((skipped + 1)) # 20/s were too much for the stand-ins here: nothing is proved
else
	[ $rc = 0 ] && grep -q '20/s hold; no rate up to there' "$scratch/far/out" && ok || bad "shards from elsewhere: $(cat "$scratch/far/out" "$scratch"/meet-[12])"
fi
grep -q 'note: load ledger waits for its shards: drtest load ledger run --shard=I/2 --rendezvous=file://.*--follow' "$scratch/far/out" && ok ||
	bad "what to start is not told: $(cat "$scratch/far/out")"
clean
wait "$first" && wait "$second" && ok || bad "the shards: $(tail -n 3 "$scratch"/meet-[12])"
expect "their report" 0 '^2 shards, 4 workers' "$DRTEST" load report "file://$scratch/meet" --ledger-dir="$scratch/far-ledgers"
expect "the place was used" 2 'has already used this place' "$DRTEST" capacity "${quick[@]}" --out "$out" --shards 2 --rendezvous "file://$scratch/meet"
expect "so it was for a shard" 2 'has already used this place' "${follow[@]}" --shard=1/2

# ---- the search is killed: its shards do not run for ever
shard gone 1 ledger; first=$!
shard gone 2 ledger; second=$!
running+=("$first" "$second")
hold=60s search gone --shards 2 --rendezvous "file://$scratch/gone"
wait_for 120 test -s "$scratch/gone/order/000003.json" || bad "no step began: $(cat "$scratch/gone/out")"
kill -9 $search
wait $search 2>/dev/null
wait "$first"
[ $? = 3 ] && grep -q '^drtest load: the search gave no sign of life for 30 s' "$scratch/gone-1" && ok || bad "a shard without its search: $(tail -n 3 "$scratch/gone-1")"
wait "$second"

# ---- another load than the search's is refused, and the search hears of it
clean
shard other 1 ledger; third=$!
shard other 2 bank; fourth=$!
running+=("$third" "$fourth")
search other --shards 2 --rendezvous "file://$scratch/other"
wait $search
[ $? = 3 ] && grep -q 'not all shards began: shard 2 ended early: .*this is load bank, the search has load ledger' "$scratch/other/out" && ok ||
	bad "another load: $(cat "$scratch/other/out")"
kill "$third" 2>/dev/null || :
