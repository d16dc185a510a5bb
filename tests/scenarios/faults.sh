#!/bin/bash
# Faults wrongly asked for, faults that can't be healed, children killed by others, full disks, sweeps: one clear line and the right exit
# code each.
. "$(dirname "$0")/lib.sh"
LIMIT=90
skip() { skipped=$((skipped + 1)); echo "skipped: $*"; }
export DRTEST scratch
out=$scratch/runs
run=("$DRTEST" run --out "$out")

# script NAME LINES: a scenario with a cluster c, a link l and a load, and these lines after it
script() {
	cat >"$scratch/$1.lua" <<L
-- A test of faults.
return require "drtest.scenario" { name = "$1", ${needs:-} run = function(t)
  local store, c, l
  t:step("s", function()
    store = t:store { buckets = { "redo" } }
    c = t:cluster { name = "c"${cluster:-} }
    l = t:link { "load", c }
    $2
  end)
  t:check("it ends", true)
end }
L
}
plan() { # NAME PATTERN LINES: refused by the plan alone, nothing starts
	script p "$3"
	expect "$1" 2 "$2" "${run[@]}" "$scratch/p.lua" --plan --store file
}
plan "an unknown fault" "unknown fault 'frob'.*kill" 't:fault { frob = c }'
plan "a fault that takes no such argument" "kill has no argument 'by'" 't:fault { kill = c, by = "1s" }'
plan "two faults in one" "are two faults" 't:fault { kill = c, pause = c }'
plan "a target of the wrong kind" "link" 't:fault { cut = c }'
plan "an unknown part" "a part is tidb, tikv, pd or ticdc" 't:fault { kill = c, part = "disk" }'
plan "a delay without a time" "by = \"20ms\"|delay needs" 't:fault { delay = l }'
plan "a duration that is none" "duration" 't:fault { pause = c, lasts = "soon" }'
plan "at and when" "use either at or when" 't:fault { kill = c, at = "1s", when = { busy = 1 } }'
plan "an unknown condition" "when has no 'moon'" 't:fault { kill = c, when = { moon = 1 } }'
plan "a link of an unknown party" "bad argument|load" 't:link { "nobody", c }'
plan "a schedule without faults" "has no faults" 't:schedule { window = "1s" }'
plan "a schedule that never heals" "needs lasts" 't:schedule { window = "1s", { pause = c, at = "1ms" } }'
plan "a store that is a directory has no process" "directory" 't:fault { kill = store }'
# a schedule is the seed's: the same seed, the same plan
script p 't:schedule { window = "20s", gap = { "100ms", "900ms" }, { pause = c, lasts = { "100ms", "1s" } }, { delay = l, by = "5ms", lasts = "200ms", weight = 3 } }'
for seed in 1 1 2; do "${run[@]}" "$scratch/p.lua" --plan --store file --seed $seed | grep 'fault:'; echo; done >"$scratch/plans"
awk -v RS= '{ p[NR] = $0 } END { exit !(p[1] == p[2] && p[1] != p[3] && p[1] ~ /pause of c, [0-9.]+ s from here, for [0-9.]+ s/) }' "$scratch/plans" && ok ||
	bad "plans of schedules: $(head -n 3 "$scratch/plans")"
needs='needs = { "frob" },' script n ''
expect "needs names what there is not" 2 "unknown 'frob'" "${run[@]}" "$scratch/n.lua" --store file
if command -v setpriv >/dev/null && [ "$(id -u)" = 0 ]; then
	chmod 755 "$scratch"
	needs='needs = { "disk_full" },' script n ''
	mkdir -m 777 "$scratch/nobody"
	cp "$DRTEST" "$scratch/drtest" # which that user may reach
	expect "a fault that this machine can't do is said before the run" 3 "only root can create" \
		setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$scratch/nobody" "$scratch/drtest" run "$scratch/n.lua" --store file --out "$scratch/nobody"
fi

script o 't:fault { pause = c }; t:fault { kill = c }'
expect "overlapping faults on one target" 2 'kill of c overlaps pause of c' "${run[@]}" "$scratch/o.lua" --store file
script f 't:fault { delay = l, by = "1ms" }'
expect "a fault in force at the end makes the run unknown" 4 'still in force at the end: delay of load' "${run[@]}" "$scratch/f.lua" --store file
script w 't:fault { pause = c, lasts = "100ms" }:wait_healed(); t:fault { cut = l }:heal(); t:restart { c, times = 2, every = "10ms" }; c:query "SELECT 1"
    local n = 0; local f = t:fault { pause = c, when = function() n = n + 1; return n > 3 end }
    t:check("not before its state", not f:happened()); f:wait(); t:check("then", f:happened() and n == 4); f:heal()'
expect "healed faults leave a pass" 0 'PASS' "${run[@]}" "$scratch/w.lua" --store file

# any two parties: each one's bytes are seen by its proxy
script a 'local b = t:cluster { name = "b" }
    c:sql "CREATE DATABASE x"; c:sql "CREATE TABLE x.t (id INT PRIMARY KEY)"; c:sql "INSERT INTO x.t VALUES (1), (2)"
    c:set_gc(false)
    local bc, rb, rs, fc, fb = t:link { "backup", c }, t:link { "restore", b }, t:link { "restore", store }, t:link { "feed", c }, t:link { "feed", b }
    local bs, fs, ps, pb = t:link { "backup", store }, t:link { "feed", store }, t:link { "replay", store }, t:link { "replay", b }
    local backup = c:backup(store:url "redo/backup")
    b:restore(backup)
    local feed = c:changefeed { id = "f", sink = b, start_ts = backup.ts, redo = store:url "redo/log" }
    c:sql "INSERT INTO x.t VALUES (3)"
    local last = c:position()
    t:eventually("it arrives", "30s", function() return feed:reached(last) end)
    feed:stop(); b:apply_redo(store:url "redo/log")
    t:check("three rows", b:query("SELECT COUNT(*) FROM x.t")[1][1] == "3")
    for _, link in ipairs { bc, rb, rs, fc, fb, bs, fs, ps, pb } do
      t:check(tostring(link) .. " is on the way", link:stats().bytes_up > 0 and link:stats().bytes_down > 0)
    end'
expect "a proxy between any two parties" 0 'PASS 12 checks' "${run[@]}" "$scratch/a.lua"

# a heal that fails: somebody listens on the port of a link that was cut
script h 'local f = t:fault { cut = l }; t:note("cut port " .. l:port()); t:sleep "2s"; f:heal()'
cat >"$scratch/thief.py" <<'T'
import re, socket, sys, time
for _ in range(300):
    time.sleep(0.1)
    m = re.search(r'cut port (\d+)', open(sys.argv[1]).read())
    if m:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(('127.0.0.1', int(m.group(1))))
        s.listen(1)
        time.sleep(5)
        break
T
: >"$scratch/out"
python3 "$scratch/thief.py" "$scratch/out" &
expect "a heal that fails makes the run unknown, and says why" 4 'the fault was healed: heal cut of load.*listen again' "${run[@]}" "$scratch/h.lua" --store file
kill $! 2>/dev/null
wait

# somebody else kills the server (the kernel, for memory, most likely): unknown, not fail
script k 't:note("up " .. tostring(c)); t:sleep "60s"'
(
	for _ in $(seq 300); do
		pid=$(pgrep -f "mariadbd --defaults-file=/var/tmp/drtest-.*-k-4242/c/my.cnf")
		[ -n "$pid" ] && sleep 0.5 && kill -9 "$pid" && break
		sleep 0.1
	done
) &
expect "a server that somebody else killed" 4 'SIGKILL \(not sent by drtest' "${run[@]}" "$scratch/k.lua" --store file --seed 4242
wait

# and the kernel itself
group=/sys/fs/cgroup/memory/drtest-test-$$
if [ -e /sys/fs/cgroup/memory/memory.oom_control ] && mkdir "$group" 2>/dev/null; then
	script m 'c:sql "CREATE DATABASE x"; c:sql "CREATE TABLE x.t (v LONGTEXT)"
    for i = 1, 200 do
      t:sleep "200ms"
      c:sql "INSERT INTO x.t WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 100) SELECT REPEAT(1, 60000) FROM s"
    end'
	(
		for _ in $(seq 300); do
			pid=$(pgrep -f "mariadbd --defaults-file=/var/tmp/drtest-.*-m-4243/c/my.cnf")
			[ -n "$pid" ] && sleep 1 && echo "$pid" >"$group/cgroup.procs" && echo 40M >"$group/memory.limit_in_bytes" && break
			sleep 0.1
		done
	) &
	expect "a server that the kernel killed for memory" 4 'SIGKILL \(not sent by drtest; the kernel ran out of memory\)' \
		"${run[@]}" "$scratch/m.lua" --store file --seed 4243
	wait
	rmdir "$group"
else
	skip "a server that the kernel killed for memory: this machine has no cgroup v1 memory controller that we may use"
fi

# disks
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	cluster=', disk_mb = 400' needs='needs = { "disk_full", "read_only" },' script d '
    local function write(n) return t:attempt(function() return c:sql((
      "INSERT INTO x.t WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 900) SELECT REPEAT(%d, 20000) FROM s"):format(n)) end) end
    c:sql "CREATE DATABASE x"; c:sql "CREATE TABLE x.t (v TEXT)"
    t:check("it writes", write(1))
    local ro = t:fault { read_only = c }
    local ok, why = t:attempt(function() return c:sql "CREATE TABLE x.u (v INT)" end)
    t:check("no new files on a read-only disk", not ok, why)
    ro:heal()
    local full = t:fault { disk_full = c, may_die = true }
    local ok, why = write(2)
    t:check("no write on a full disk", not ok, why)
    full:heal()
    t:check("after the heal it writes", write(3))'
	expect "a full disk, a read-only disk, and their heal" 0 'PASS 5 checks' "${run[@]}" "$scratch/d.lua" --store file
	for r in "$scratch"/runs/*/; do # of these runs: others may run beside them
		! grep -F "/var/tmp/drtest-$(basename "$r")/" /proc/mounts >"$scratch/mounts" && ok || bad "a mount is left: $(cat "$scratch/mounts")"
	done
	# the run folder's disk fills up: exit 3, and what was written can be read
	script j 't:sleep "3s"; for i = 1, 100000 do t:note(("%d %s"):format(i, ("x"):rep(20):gsub("x", function() return string.char(97 + t:random(26)) end))) end'
	cat >"$scratch/full.sh" <<'S'
mkdir -p $scratch/full && mount -t tmpfs -o size=80m none $scratch/full || exit 99
(sleep 2; dd if=/dev/zero of=$scratch/full/ballast bs=1M status=none) 2>/dev/null &
"$DRTEST" run "$scratch/j.lua" --store file --out $scratch/full; rc=$?
zstd -dc $scratch/full/*/journal.jsonl.zst 2>/dev/null | head -n 500 | tail -n 1 | grep -q '"ev"' && echo "journal readable"
exit $rc
S
	expect "the run folder's disk is full" 3 'journal readable' unshare -m bash "$scratch/full.sh"
	rmdir $scratch/full 2>/dev/null
else
	skip "disk_full, read_only, a full run folder: mounts need root and a container that allows them"
fi

# a clock that is off
cluster=', clock = "soon"' plan "a clock that is off by nothing known" 'clock must be an offset' ""
if find /usr/lib /usr/local/lib -name libfaketimeMT.so.1 2>/dev/null | grep -q .; then
	cluster=', clock = "-2h"' needs='needs = { "clock" },' script c 'local off = os.time() - tonumber(c:query("SELECT UNIX_TIMESTAMP()")[1][1])
    t:check("the server is two hours behind", off > 7100 and off < 7300, tostring(off))'
	expect "a server's clock is off" 0 'PASS 2 checks' "${run[@]}" "$scratch/c.lua" --store file
else
	needs='needs = { "clock" },' script c ''
	expect "a clock that is off needs libfaketime" 3 'apt-get install faketime' "${run[@]}" "$scratch/c.lua" --store file
	skip "a server's clock that is off: libfaketime is not installed"
fi

# a sweep: the table, a failing seed's command, going on after an interruption
cat >"$scratch/s.lua" <<'L'
-- Every third seed fails.
return require "drtest.scenario" { name = "s", run = function(t)
  t:step("only", function() end)
  t:check("the seed is no multiple of three", t:random(1) == 0 and tonumber(io_seed or 0) == 0, "it is")
end }
L
sed -i 's/io_seed or 0/0/' "$scratch/s.lua"
expect "a sweep that passes" 0 '5 of 5 seeds: 5 pass, 0 fail, 0 unknown' "$DRTEST" sweep "$scratch/s.lua" --seeds 1..3,7,9 --store file --out "$scratch/sweeps"
sweep=$(sed -n 's/^sweep: //p' "$scratch/out")
[ "$(wc -l <"$sweep/results.jsonl")" = 6 ] && ok || bad "results.jsonl has $(wc -l <"$sweep/results.jsonl") lines"
sed -i '$d' "$sweep/results.jsonl" # as if it had been interrupted before the last one
expect "it goes on where it was" 0 '5 of 5 seeds: 5 pass' "$DRTEST" sweep "$scratch/s.lua" --seeds 1..3,7,9 --store file --resume "$sweep"
[ "$(grep -c '^seed' "$scratch/out")" = 1 ] && ok || bad "it ran $(grep -c '^seed' "$scratch/out") seeds again, not 1"
expect "another scenario can't go on with it" 2 'ran something else' "$DRTEST" sweep "$scratch/f.lua" --seeds 1 --store file --resume "$sweep"
sed -i 's/t:random(1) == 0/false/' "$scratch/s.lua"
expect "a failing seed tells how to repeat it" 1 "again: drtest run $scratch/s.lua --store file --seed 3" \
	"$DRTEST" sweep "$scratch/s.lua" --seeds 3 --store file --out "$scratch/sweeps"
expect "runs side by side do not disturb each other" 0 '4 of 4 seeds: 4 pass' "$DRTEST" sweep "$scratch/w.lua" --seeds 1..4 --jobs 2 --out "$scratch/sweeps"
script q 't:sleep "500ms"'
for i in 1 2 3; do "$DRTEST" run "$scratch/q.lua" --store file --out "$scratch/q$i" >"$scratch/q$i.log" 2>&1 & done
wait
[ "$(cat "$scratch"/q?.log | grep -c '^PASS')" = 3 ] && ok || bad "three runs of one seed at once: $(cat "$scratch"/q?.log)"
expect "seeds that are none" 2 'is not 1..200' "$DRTEST" sweep "$scratch/s.lua" --seeds 9..1
expect "a sweep of nothing" 2 'scenario' "$DRTEST" sweep "$scratch/none.lua" --seeds 1

# by hand
expect "the faults are listed" 0 'stall_commit' "$DRTEST" chaos list
expect "an unknown verb" 2 'list, proxy, kill' "$DRTEST" chaos frob
expect "no such target" 2 "no run has a server 'nobody-is-called-so'" "$DRTEST" chaos kill nobody-is-called-so
printf 'delay by=5ms\nfrob\nheal\nstats\nquit\n' >"$scratch/commands"
expect "a proxy by hand" 0 "unknown fault 'frob'" bash -c "'$DRTEST' chaos proxy --upstream 1 <'$scratch/commands'"
grep -q '0 connections' "$scratch/out" && ok || bad "no stats: $(cat "$scratch/out")"
setsid sleep 100 &
sleeper=$!
disown
expect "pause and heal by hand" 0 'heals after its time' "$DRTEST" chaos pause $sleeper --lasts 50ms
expect "the shell that calls" 2 'is a parent of this command' "$DRTEST" chaos kill $$
# who has lost his parent is, to root, a service of the machine
(setsid sleep 100 & echo $! >"$scratch/service")
service=$(cat "$scratch/service")
if [ "$(id -u)" = 0 ]; then
	wait_for 10 sh -c "! grep -q '^PPid:.$$\$' /proc/$service/status"
	expect "root's service" 2 "process $service belongs to root, but not to a run of drtest, and the calling shell did not start it: use --foreign" "$DRTEST" chaos kill "$service"
	kill -0 "$service" && ok || bad "it was killed"
	setpriv --reuid=12345 --clear-groups setsid sleep 100 & other=$!
	wait_for 10 sh -c "[ \$(ps -o uid= -p $other) = 12345 ]"
	expect "another user's" 2 "belongs to another user" "$DRTEST" chaos pause "$other" --lasts 10ms
	kill "$other"
	# the name of a run's folder in a command line makes nobody a server of it
	setsid tail -f /dev/null /var/tmp/drtest-2026/lookalike/x 2>/dev/null & looks=$!
	expect "who only looks like a server" 2 "no run has a server 'lookalike'" "$DRTEST" chaos kill lookalike # no other test's server
	kill "$looks"
	expect "asked for" 0 "kill of $service" "$DRTEST" chaos kill "$service" --foreign
	wait_for 10 sh -c "! kill -0 $service" && ok || bad "--foreign did not kill it"
fi
kill "$service" 2>/dev/null
expect "kill by hand" 0 "kill of $sleeper" "$DRTEST" chaos kill $sleeper
sleep 0.2
! kill -0 $sleeper 2>/dev/null && ok || bad "the process was not killed"
