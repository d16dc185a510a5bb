#!/bin/bash
# What an attacker, or the owner of production, tries: a table of place, attack and result. What needs servers of its own is beside the part it
# attacks (attach.sh, clean.sh, test_sql_tls, test_feed_sink).
. "$(dirname "$0")/lib.sh"
out=$scratch/runs
mkdir "$scratch/in" "$scratch/beside"

# ---- Lua of others: a scenario, a suite, a clusters file, a load. Each attack would make the file $owned.
owned=$scratch/owned
lua=(
	"os.execute|os.execute('touch $owned')"
	"os of require|require('os').execute('touch $owned')"
	"os of package.loaded|package.loaded.os.execute('touch $owned')"
	"os.remove|os.remove('$scratch/in')"
	"io|io.open('$owned', 'w'):close()"
	"io of require|require('io').open('$owned', 'w'):close()"
	"ffi|require('ffi').C.system('touch $owned')"
	"ffi of preload|package.preload.ffi().C.system('touch $owned')"
	"loadlib|package.loadlib('libc.so.6', 'system')('touch $owned')"
	"loaders|package.loaders[2]('ffi')()"
	"debug|debug.getregistry()._LOADED.io.open('$owned', 'w'):close()"
	"dofile|dofile('$scratch/beside/owner.lua')"
	"loadfile|loadfile('$scratch/beside/owner.lua')()"
	"a file elsewhere|require('../beside/owner')"
	"bytecode|assert(load('\\27LJ\\2\\2'))()"
	"bytecode by string.dump|assert(load(string.dump(function() end)))()"
	"jit|require('jit.util')"
)
echo "return nil" >"$scratch/beside/owner.lua"
attack() { # PLACE NAME COMMAND…: refused, in one line, and nothing was done
	local what="$1: $2"
	shift 2
	expect "$what" 2 '^drtest' "$@"
	[ ! -e "$owned" ] && [ -d "$scratch/in" ] && ok || bad "$what: it was done"
	[ "$(grep -c '^drtest' "$scratch/out")" = 1 ] && ok || bad "$what: $(cat "$scratch/out")"
	rm -f "$owned"
}
for a in "${lua[@]}"; do
	name=${a%%|*} text=${a#*|}
	printf 'local scenario = require "drtest.scenario"\nlocal x = %s\nreturn scenario { name = "s", run = function(t) end }\n' "$text" >"$scratch/in/s.lua"
	attack scenario "$name" "$DRTEST" run "$scratch/in/s.lua" --plan --out "$out"
	printf 'local x = %s\nreturn { name = "l", event = function(con) end }\n' "$text" >"$scratch/in/l.lua"
	attack load "$name" "$DRTEST" load "$scratch/in/l.lua" --help
	printf 'local x = %s\nreturn { primary = { sql = { host = "h" } } }\n' "$text" >"$scratch/in/c.lua"
	attack clusters "$name" "$DRTEST" run scenarios/rehearse.lua --on attach --clusters "$scratch/in/c.lua" --plan --out "$out"
done
for f in s l c; do printf '\033LJ\002' >"$scratch/in/$f.lua"; done
attack scenario "a file of bytecode" "$DRTEST" run "$scratch/in/s.lua" --plan --out "$out"
attack load "a file of bytecode" "$DRTEST" load "$scratch/in/l.lua" --help
attack clusters "a file of bytecode" "$DRTEST" run scenarios/rehearse.lua --on attach --clusters "$scratch/in/c.lua" --plan --out "$out"
# a load may still use what sits beside it
echo 'return { description = "beside" }' >"$scratch/in/mine.lua"
printf 'return { name = "l", description = require("mine").description, tables = { "t%%d" }, statements = {}, event = function(con) end }\n' >"$scratch/in/l.lua"
expect "a load's own file beside it" 0 'beside' "$DRTEST" load "$scratch/in/l.lua" --help

# ---- an answer that could not be written is no success
[ -c /dev/full ] && for c in "--help" "--version" "run --help" "redo meta --json --storage file://$PWD/tests/fixtures/redo/small/log" \
	"load --help" "clean --help" "chaos list" "list"; do
	# shellcheck disable=SC2086
	expect "a full standard output: $c" 3 '' bash -c '"$@" >/dev/full' - "$DRTEST" $c
done

# ---- another user of the machine reads nothing of a run
cat >"$scratch/in/s.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "modes", run = function(t) t:step("s", function() t:check("true", true) end) end }
L
(umask 022; timeout "$(patience 60)" "$DRTEST" run "$scratch/in/s.lua" --out "$out" >"$scratch/log" 2>&1)
[ -e "$(echo "$out"/*/result.json)" ] && ok || bad "no run: $(cat "$scratch/log")"
find "$out" -mindepth 0 -perm /077 >"$scratch/open"
[ ! -s "$scratch/open" ] && ok || bad "others may read: $(cat "$scratch/open")"
cat >"$scratch/in/u.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "strict", run = function(t)
  t:step("s", function() local a = t:cluster { name = "a" } t:check("it answers", t:planning() or a:query("SELECT 1")[1][1] == "1") end)
end }
L
command -v mariadbd >/dev/null && expect "a server under a strict umask" 0 '^PASS' bash -c 'umask 077; exec "$@"' - "$DRTEST" run "$scratch/in/u.lua" --store file --on local --out "$scratch/strict"
[ -c /dev/full ] && expect "a full standard output: history" 3 '' bash -c '"$@" >/dev/full' - "$DRTEST" history --json --out "$out"
: >"$out/history.db" # as a full disk leaves it
expect "a history without its tables" 0 '' "$DRTEST" history --out "$out"
