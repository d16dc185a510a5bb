#!/bin/bash
# drtest capacity over many shards: the same answer in the same form as with one process; a shard that dies or is late makes its step unknown, never a
# lower rate.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
command -v mariadbd >/dev/null || { echo "skipped: no mariadbd"; trap - EXIT; rm -rf "$scratch"; exit 77; }
out=$scratch/runs
LIMIT=150
running=()
trap 'for p in "${running[@]}"; do kill -9 "$p" 2>/dev/null; done; finish' EXIT
easy='p50<60s,lag<60s,rpo<60s' # no p99: it would want 1,000 transactions for each rate
quick=(--store file --tables 1 --table-size 500 --hold 1s --workers 4)

# ---- what can't be is said before anything is started
expect "a plan" 0 '2 shards, processes of this machine' "$DRTEST" capacity "${quick[@]}" --out "$out" --shards 2 --plan
expect "a plan for shards elsewhere" 0 '2 shards, which wait elsewhere' "$DRTEST" capacity "${quick[@]}" --out "$out" --shards 2 --rendezvous "file://$scratch/planned" --plan
[ -e "$scratch/planned" ] && bad "a plan writes" || ok
expect "more shards than workers" 2 '5 shards want at least 5 workers, not 4' "$DRTEST" capacity "${quick[@]}" --out "$out" --shards 5
follow=("$DRTEST" load oltp_write_only run --rendezvous="file://$scratch/meet" --follow)
expect "a follower is a shard" 2 '^drtest load: --shard and --rendezvous must be used together' "${follow[@]}"
expect "a rate of its own" 2 '^drtest load: --rate: with --follow the search tells that' "${follow[@]}" --shard=1/2 --rate=5
expect "options of its own" 2 "^drtest load: with --follow the search tells the load's options" "${follow[@]}" --shard=1/2 --set x=1
expect "a password for whomever" 2 '^drtest load: --follow with a password wants --mysql-host' env MYSQL_PWD=secret "${follow[@]}" --shard=1/2

# ---- one process and three: the same form
# holds NAME FOLDER OPTION…: 20/s hold; tried again where this machine could not serve them
holds() {
	local name=$1 to=$2
	shift 2
	for _ in 1 2 3; do
		rm -rf "${out:?}/$to"
		timeout "$(patience "$LIMIT")" "$DRTEST" capacity "${quick[@]}" --out "$out/$to" --target "$easy" --min-rate 20 --max-rate 20 "$@" >"$scratch/out" 2>&1 </dev/null
		rc=$?
		[ $rc != 0 ] && too_slow "$scratch/out" || break
	done
	[ $rc = 0 ] && grep -q '20/s hold; no rate up to there' "$scratch/out" && ok || bad "$name: exit $rc: $(tail -n 8 "$scratch/out")"
}
holds "one process" one
holds "three shards" three --shards 3
cp "$scratch/out" "$scratch/three"
grep -q '4 workers in 3 shards' "$scratch/three" && ok || bad "the shards are not told: $(cat "$scratch/three")"
python3 - "$out" <<'END' && ok || bad "the two results differ in their form"
import glob, json, re, sys
one, three = (json.load(open(glob.glob('%s/%s/*/result.json' % (sys.argv[1], n))[0])) for n in ('one', 'three'))
assert set(three['figures']) - set(one['figures']) == {'shards'} and set(one['figures']) <= set(three['figures']), (one['figures'], three['figures'])
assert three['figures']['shards'] == 3
a, b = (json.loads(r['figures']['curve']) for r in (one, three))
assert [set(p) for p in a] == [set(p) for p in b] and len(a) == len(b) == 1
names = [[c['name'] for c in r['checks'] if c['name'] != 'queue and lag are gone'] for r in (one, three)] # after a rate that broke once
assert [n for n in names[1] if n != 'the shards add up'] == names[0] and len(names[1]) == len(names[0]) + 1, names
books = [c['evidence'] for c in three['checks'] if c['name'] == 'the shards add up'][0]
n = [int(x.replace(',', '')) for x in re.findall(r'([\d,]+) (?:transactions|rows|acknowledged in)', books)]
assert len(n) == 3 and n[0] == n[1] == n[2] > 100, books
page = open(glob.glob('%s/three/*/report.html' % sys.argv[1])[0]).read()
assert '<section id="curve">' in page and page.count('<circle') == 4 and '20/s hold' in page and 'href="#curve"' in page
END
[ "$(find "$out"/three/*/ledger -name 'worker-*.ledger' | wc -l)" = 6 ] && ok || bad "the ledgers are not joined: $(ls "$out"/three/*/ledger)"
find "$out"/three/*/shards -path '*mark*' -type f | grep . && bad "marks are left" || ok
grep -q '"tps": *[1-9]' <(zstd -dc "$out"/three/*/journal.jsonl.zst) && ok || bad "no samples of the load: the report's charts are empty"

# ---- a step that breaks
expect "a step that breaks" 1 'FAILED: a rate meets the target: not even .* breaks lag<0.001s' "$DRTEST" capacity "${quick[@]}" --out "$out/breaks" \
	--target 'p99<60s,lag<0.001s' --min-rate 20 --max-rate 80 --shards 2
grep -q 'breaks lag<0.001s (twice)' "$scratch/out" && ok || bad "it is not tried twice: $(cat "$scratch/out")"
grep -q 'the shards add up' "$out"/breaks/*/result.json && ok || bad "its books are not looked at"

# ---- a shard is killed in the middle of a step
order() { ls "$scratch"/"$1"/runs/*/shards/order/"$2".json >/dev/null 2>&1; }
shard_pid() { pgrep -f -- "--shard=$2 --rendezvous=file://$scratch/$1/runs/"; }
search() {
	name=$1
	shift
	mkdir -p "$scratch/$name"
	"$DRTEST" capacity "${quick[@]/#1s/${hold:-1s}}" --out "$scratch/$name/runs" --target "$easy" --min-rate 20 "$@" >"$scratch/$name/out" 2>&1 </dev/null &
	running+=($!)
	search=$!
}
hold=30s search killed --max-rate 80 --shards 3
wait_for 120 order killed 000003 || bad "no step began: $(cat "$scratch/killed/out")"
kill -9 "$(shard_pid killed 2/3)"
wait $search
[ $? = 4 ] && ok || bad "a killed shard: $(cat "$scratch/killed/out")"
grep -q 'hold 20/s .*unknown: shard 2 was killed: SIGKILL' "$scratch/killed/out" && ok || bad "the step: $(cat "$scratch/killed/out")"
grep -q 'hold 40/s\|/s hold' "$scratch/killed/out" && bad "the search went on with two shards of three: $(cat "$scratch/killed/out")" || ok
grep -q '^UNKNOWN' "$scratch/killed/out" && grep -q 'the search finished: at 20/s shard 2 was killed' "$scratch/killed/out" && ok || bad "$(cat "$scratch/killed/out")"
python3 - "$scratch"/killed/runs/*/result.json <<'END' && ok || bad "the result of a search with a killed shard"
import json, sys
r = json.load(open(sys.argv[1]))
assert r['verdict'] == 'unknown', r['verdict']
assert 'capacity_tps' not in r['figures'], r['figures']
curve = json.loads(r['figures']['curve'])
assert len(curve) == 1 and 'shard 2' in curve[0]['unknown'], curve
by = {c['name']: c for c in r['checks']}
assert by['the shards add up']['verdict'] == 'pass' and 'a rate meets the target' not in by, by
END

# ---- in a drill of one's own, that asks for no intervals, the end names a shard that was killed; what shards can't take is refused
cat >"$scratch/own.lua" <<'L'
return require "drtest.scenario" { name = "own", options = { rate = { "20", "" }, wait = { "30s", "" }, before = { "0s", "" }, shards = { 2, "" },
    second = { 0, "" }, early = { false, "" }, judge = { false, "" } }, run = function(t, opt)
  t:step("a load of two shards", function()
    local a, b = t:clusters({ name = "a" }, { name = "b" })
    local fields = { "oltp_write_only", tables = 1, table_size = 100, workers = 2, rate = tonumber(opt.rate) or opt.rate, shards = opt.shards }
    local load = t:load(fields)
    if opt.second > 0 then
      fields.shards = opt.second
      t:load(fields)
    end
    load:prepare { on = b }
    t:sleep(opt.before)
    load:start { on = b }
    t:sleep(opt.wait)
    if opt.early then t.verify.ledger(load, b, { of = b }) end
    load:stop()
    if opt.judge then
      t:check("each transaction is there", t.verify.ledger(load, b, { of = b }))
      t:check("each row is as they left it", t.verify.model(load, b, { of = b }))
    end
  end)
end }
L
own=("$DRTEST" run "$scratch/own.lua" --store file --out "$out")
expect "no shards" 2 'shards: 1 to 10000' "${own[@]}" --plan --set shards=0
expect "one ledger for two loads, one of shards" 2 'has its database.s ledger for itself' "${own[@]}" --plan --set second=1
expect "one ledger for two loads, the second of shards" 2 'has its database.s ledger for itself' "${own[@]}" --plan --set shards=1 --set second=2
expect "judged while it runs" 2 'a load of shards has no ledger before load:stop' "${own[@]}" --set wait=1s --set early=true
# Their ledgers tell the run's cluster and count from the run's begin, with the seed's every bit: else a verdict would be about something else.
expect "a load of shards is judged" 0 'PASS' "${own[@]}" --set wait=4s --set before=6s --set judge=true --seed 9999999999999999999
python3 - "$out"/*-9999999999999999999/ledger <<'END' && ok || bad "the shards' ledgers"
import glob, struct, sys
files = glob.glob(sys.argv[1] + '/*.ledger')
records = [r for f in files for r in struct.iter_unpack('<IBBHQ6s6s6sQHI', open(f, 'rb').read())]
assert len(files) == 2 and len(records) > 20, (files, len(records))
assert {r[3] for r in records} == {1}, records[0]
begun = min(int.from_bytes(r[6], 'little') for r in records)
assert begun > 6000000, begun # us
END
expect "shards take no steps" 2 'shards take a number as rate' "$DRTEST" run "$scratch/own.lua" --store file --out "$out" --set rate=20/5s,40
mkdir "$scratch/own"
"$DRTEST" run "$scratch/own.lua" --store file --out "$scratch/own/runs" >"$scratch/own/out" 2>&1 </dev/null &
running+=($!)
own=$!
began() { ls "$scratch"/own/runs/*/shards/mark/000001/00001.json "$scratch"/own/runs/*/shards/mark/000001/00002.json >/dev/null 2>&1; } # else it did not begin
wait_for 180 began || bad "no load began: $(cat "$scratch/own/out")"
kill -9 "$(shard_pid own 2/2)"
wait $own
[ $? != 0 ] && grep -q 'shard 2 was killed: what it did after' "$scratch/own/out" && ok || bad "a killed shard is not told: $(cat "$scratch/own/out")"

# ---- one that stands still for a while: its step is unknown, and held once more
hold=20s search late --max-rate 20 --shards 2
wait_for 120 order late 000003 || bad "no step began: $(cat "$scratch/late/out")"
late=$(shard_pid late 1/2)
kill -STOP "$late"
wait_for 120 grep -q 'note: 20/s: shard 1 gave no answer for 20 s .*held once more' "$scratch/late/out" && ok || bad "a late shard: $(cat "$scratch/late/out")"
kill -CONT "$late"
wait $search
rc=$?
if [ $rc != 0 ] && too_slow "$scratch/late/out"; then
	skipped=$((skipped + 1)) # it came back, and this machine was too slow for what had been waiting
else
	[ $rc = 0 ] && grep -q '20/s hold; no rate up to there' "$scratch/late/out" && ok || bad "it came back: $(cat "$scratch/late/out")"
fi

for name in one three breaks; do mv "$out/$name"/*/ "$out"; rm -r "${out:?}/$name"; done
for name in killed late own; do mv "$scratch/$name"/runs/*/ "$out"; done
rm -rf "$out"/history.db*
nothing_left "the searches"
