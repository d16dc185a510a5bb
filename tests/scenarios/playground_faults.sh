#!/bin/bash
# Faults on the playground ground, with stand-ins: links between TiCDC, its sink and its store, TiCDC killed and started again, a component of several,
# the dead primary's data started again. The scenarios are those of the local ground.
. "$(dirname "$0")/lib.sh"
chmod 755 "$scratch"
export TIUP_HOME=$scratch/tiup PATH=$PWD/tests/standins:$PATH DRTEST STANDIN_PACE=0.02
mkdir -p "$TIUP_HOME/bin"
echo '{}' >"$TIUP_HOME/bin/root.json"
out=$scratch/runs
drill() { # SCENARIO [OPTIONS]
	local name=$1
	shift
	LIMIT=120 expect "$name" 0 '^PASS' "$DRTEST" run "scenarios/$name.lua" --on playground --tidb-version v8.5.7 --seed 3 --out "$out" "$@"
	nothing_left "$name"
}
drill double_disaster --set store=returns
drill failback
drill slow_secondary
drill feed_restart --set deaths=2
drill meta_behind --set soak=4s
drill partition --set weather=4s
drill replay_killed --set deaths=2
drill component_deaths # until another TiCDC owns the changefeed, the API passes requests on to the dead one

# ---- one of several: three PD, three TiKV, two TiDB, two TiCDC
cat >"$scratch/parts.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "parts", run = function(t)
  t:step("each dies alone", function()
    local c = t:cluster { name = "primary", db = 2, pd = 3, kv = 3, ticdc = 2 }
    c:sql "CREATE DATABASE d"
    c:sql "CREATE TABLE d.t (id INT PRIMARY KEY)"
    t:kill(c, "tikv-1")
    c:sql "INSERT INTO d.t VALUES (1)" -- two of three are a majority
    t:kill(c, "ticdc-owner")
    t:kill(c, "pd-leader")
    c:sql "INSERT INTO d.t VALUES (2)" -- another one leads
    t:kill(c, "tidb-0")
    c:sql "INSERT INTO d.t VALUES (3)" -- the other TiDB has all rows
    t:fault { pause = c, part = "tikv-0", lasts = "100ms" }:wait_healed()
    t:check("every row is there", #c:query "SELECT * FROM d.t" == 3)
    t:kill(c, "pd-leader")
    t:eventually("one of three PD is none: nothing is written", "1m", function() return not t:attempt(function() c:sql "REPLACE INTO d.t VALUES (4)" end) end)
    local ok, why = t:attempt(function() t:kill(c, "tikv-7") end)
    t:check("one that is not there is told", not ok and why:find("it has no such TiKV", 1, true) ~= nil, why)
  end)
end }
L
LIMIT=60 expect "one of several" 0 '^PASS 3 checks' "$DRTEST" run "$scratch/parts.lua" --on playground --tidb-version v8.5.7 --store file --out "$out"
nothing_left "one of several"

# ---- the only TiKV dies, then PD: TiDB hangs and says little; who it is is told
cat >"$scratch/dead.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "dead", options = { part = { "tikv", "who dies" }, says = { "", "what is said of it" } }, run = function(t, opt)
  t:step("it dies", function()
    local c = t:cluster { name = "primary", ticdc = 0 }
    c:sql "CREATE DATABASE d"
    t:kill(c, opt.part)
    t:sleep "2s" -- PD takes twelve seconds to notice, at this pace a quarter of one
    local ok, why = t:attempt(function() c:sql "CREATE DATABASE e" end)
    t:check("it is told", not ok and why:find(opt.says, 1, true) ~= nil, why)
  end)
end }
L
LIMIT=60 expect "TiKV is dead" 0 '^PASS' "$DRTEST" run "$scratch/dead.lua" --on playground --tidb-version v8.5.7 --store file --out "$out" \
	--set "says=Disconnected; 0 of 1 are up"
nothing_left "TiKV's death"
LIMIT=60 expect "PD is dead" 0 '^PASS' "$DRTEST" run "$scratch/dead.lua" --on playground --tidb-version v8.5.7 --store file --out "$out" --set part=pd \
	--set "says=does not respond)"
nothing_left "PD's death"

# ---- what a ground can't is said before the run, not in its middle
cat >"$scratch/cant.lua" <<'L'
local scenario = require "drtest.scenario"
return scenario { name = "cant", run = function(t)
  t:step("a", function() local c = t:cluster { name = "primary" } t:kill(c, "pd") t:check("x", true) end)
end }
L
expect "on the local ground nothing has a PD" 3 "primary: the local ground cannot kill one component .fix: --on playground" "$DRTEST" run "$scratch/cant.lua" --on local --store file \
	--out "$out"
