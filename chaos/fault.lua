-- The faults' part of t. The chunk is called with the natives of chaos/lua_fault.c and the steps of the run; it returns the verbs that t
-- gets, and finish(t), which is called after the script.
local native, steps = ...
local kinds = native.kinds()
local verbs = {}

local Fault = {}
local of_fault = { o = true, kind = true, handle = true, text = true } -- not each fault has each
Fault.__index = function(_, key)
  local f = rawget(Fault, key)
  if f == nil and not of_fault[key] then steps.no_name("a fault", key, Fault) end
  return f
end
Fault.__tostring = function(f) return f.handle and tostring(f.handle) or f.text end

local own = { at = true, lasts = true, when = true, part = true, disaster = true, may_die = true, later = true }

local function known_kinds()
  local names = {}
  for name in pairs(kinds) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

-- The one key that names a fault; the rest has to be ours or the kind's.
local function kind_of(o)
  local kind
  if o.hole ~= nil then
    steps.renamed("the fault hole", "black_hole")
    o.black_hole, o.hole = o.hole, nil
  end
  for key in pairs(o) do
    if kinds[key] then
      if kind then steps.usage(("t:fault: %s and %s are two faults: use two calls"):format(kind, key)) end
      kind = key
    end
  end
  for key in pairs(o) do
    if key ~= kind and not own[key] and not (kind and kinds[kind].args:find(" " .. tostring(key) .. " ", 1, true)) then
      if not kind then steps.usage(("t:fault: unknown fault '%s' (known: %s)"):format(tostring(key), known_kinds())) end
      steps.usage(("t:fault: %s has no argument '%s'%s"):format(kind, tostring(key),
        kinds[kind].args == " " and "" or "; it takes" .. kinds[kind].args:sub(1, -2)))
    end
  end
  if not kind then steps.usage("t:fault needs a kind and its target, such as t:fault { kill = cluster }; the kinds are " .. known_kinds()) end
  return kind
end

local conditions = { busy = true, split = true, lag_over = true, of = true, request = true, match = true, nth = true, after_bytes = true, later = true }

-- What the natives take: seconds, milliseconds, microseconds.
local function timing(o)
  local w = {}
  if o.at then w.at = steps.duration(o.at) / 1000 end
  if o.lasts then w.lasts = steps.duration(o.lasts) / 1000 end
  local later = o.later
  if type(o.when) == "table" then
    if o.at then steps.usage("t:fault: use either at or when") end
    for key, value in pairs(o.when) do
      if not conditions[key] then
        steps.usage(("t:fault: when has no '%s' (busy, split, lag_over of, request, match, nth, after_bytes, later)"):format(tostring(key)))
      end
      if key ~= "later" then w[key] = value end
    end
    later = o.when.later or later
    if w.lag_over then w.lag_over = steps.duration(w.lag_over) end
    if not w.busy and not w.split and not w.request and not (w.lag_over and w.of) then
      steps.usage("t:fault: when = { busy = feed }, { lag_over = \"2s\", of = feed }, { request = link, match = \"PUT\" } or a function")
    end
  end
  if later then w.later_us = type(later) == "number" and later or steps.duration(later) * 1000 end
  return w
end

local function arm(f)
  local o, kind, args = f.o, f.kind, {}
  for key, value in pairs(o) do
    if key ~= kind and not own[key] then args[key] = value end
  end
  f.handle = native.arm(kind, o[kind], args, timing(o), { part = o.part, disaster = o.disaster, may_die = o.may_die })
  if not o.at and type(o.when) ~= "table" and not o.later then native.settle(f.handle) end
  return f
end

-- fault { kill = primary }: now. With at = "2s" or when = …, at its time: then f:wait() says when it was. lasts = "3s" heals it.
function verbs:fault(o) -- luacheck: ignore self
  if type(o) ~= "table" then steps.usage("t:fault takes a table: t:fault { kill = cluster }") end
  local f = setmetatable({ o = o, kind = kind_of(o) }, Fault)
  if type(o.when) == "function" then
    f.text = f.kind .. ", when its condition holds"
    if steps.planning() then return arm(f) end
    return f
  end
  return arm(f)
end

local function span(within, default)
  return steps.duration(within or default)
end

-- Waits until it has happened; when that was, in seconds of the run.
function Fault:wait(within)
  if steps.planning() then return 0 end
  local from, ms = steps.now(), span(within, "60s")
  while true do
    if not self.handle and self.o.when() then arm(self) end
    if self.handle and native.state(self.handle) ~= "armed" then break end
    if (steps.now() - from) * 1000 > ms then steps.timeout(("%s: it did not happen within %s"):format(tostring(self), within or "60s")) end
    steps.wait(2)
  end
  native.settle(self.handle)
  return native.at(self.handle)
end

-- Waits until it has been healed by itself (lasts).
function Fault:wait_healed(within)
  self:wait(within)
  if steps.planning() then return end
  if kinds[self.kind].heals and not self.o.lasts then steps.usage(("%s has no end: set lasts, or call f:heal()"):format(tostring(self))) end
  local from, ms = steps.now(), span(within, "60s")
  while native.state(self.handle) == "active" do
    if (steps.now() - from) * 1000 > ms then steps.timeout(("%s: it was not healed within %s"):format(tostring(self), within or "60s")) end
    steps.wait(2)
  end
  if native.state(self.handle) == "stuck" then self:heal() end
end

function Fault:happened()
  return self.handle ~= nil and native.at(self.handle) ~= nil
end

-- What can't be healed makes the run unknown: whatever is checked from here on is checked in the middle of a fault.
function Fault:heal()
  local why = self.handle and native.heal(self.handle)
  if why then steps.check("the fault was healed", "unknown", why, nil, 0) end
end

-- link { "feed", primary }: from now on the party ("load", "feed", "replay", "backup", "restore") reaches the cluster or the store
-- through a proxy, which link faults are done to. Before the party connects.
function verbs:link(o) -- luacheck: ignore self
  if type(o) ~= "table" or #o ~= 2 then steps.usage("t:link needs a party, and a cluster or the store: t:link { \"feed\", primary }") end
  return native.link(o[1], o[2])
end

-- Heals everything that is in force. What can't be healed makes the run unknown.
function verbs:heal()
  local why = native.heal_all()
  if why then self:check("every fault was healed", { verdict = "unknown", evidence = why }) end
end

-- restart { store, times = 3, down = "200ms", every = "1s" }: killed and started again, by and by; what = cluster or store.
function verbs:restart(o)
  if type(o) ~= "table" or not o[1] then steps.usage("t:restart needs a cluster or store: t:restart { primary, times = 3, down = \"200ms\", every = \"1s\" }") end
  for _ = 1, o.times or 1 do
    self:fault { kill = o[1], part = o.part }
    self:sleep(o.down or "200ms")
    o[1]:start()
    self:sleep(o.every or "1s")
  end
end

-- cluster:start_replay(uri, { workers, memory_mb }): the replay as a process that a fault can kill; p:wait(within) tells how it ended.
local Process = native.process

function Process:wait(within)
  local from, ms = steps.now(), steps.duration(within or "60s")
  while self:running() do
    if (steps.now() - from) * 1000 > ms then steps.timeout(("%s: it did not end within %s"):format(tostring(self), within or "60s")) end
    steps.wait(2)
  end
  return self:result()
end

-- names of the version before
verbs.replay_process = function(_, cluster, ...)
  steps.renamed("t:replay_process", "cluster:start_replay")
  return cluster:start_replay(...)
end

verbs.wait_process = function(_, process, within)
  steps.renamed("t:wait_process", "process:wait")
  return process:wait(within)
end

-- duration "1.5s": in milliseconds
function verbs:duration(text) return steps.duration(text) end -- luacheck: ignore self

-- ---- schedules: data, made into faults with their times by the run's seed

local Schedule = {}
Schedule.__index = function(_, key) return rawget(Schedule, key) or steps.no_name("a schedule", key, Schedule) end

local function drawn(range)
  if type(range) == "table" then
    local low, high = steps.duration(range[1]), steps.duration(range[2])
    if high < low then steps.usage("t:schedule: a range must increase: { \"1s\", \"3s\" }") end
    return low + steps.random(high - low + 1)
  end
  return steps.duration(range)
end

local function with_times(entry, at_ms, lasts_ms)
  local o = {}
  for key, value in pairs(entry) do o[key] = value end
  o.every, o.times, o.weight = nil, nil, nil
  o.at = ("%dms"):format(at_ms)
  if lasts_ms and lasts_ms > 0 then o.lasts = ("%dms"):format(lasts_ms) end
  return o
end

local function shuffle_in(list, window, gap)
  local out, total, at = {}, 0, 0
  for _, entry in ipairs(list) do total = total + (entry.weight or 1) end
  while true do
    at = at + drawn(gap)
    local pick, entry = steps.random(total), nil
    for _, candidate in ipairs(list) do
      entry = candidate
      pick = pick - (candidate.weight or 1)
      if pick < 0 then break end
    end
    local lasts = drawn(entry.lasts or "500ms")
    if at + lasts > window then return out end
    out[#out + 1] = with_times(entry, at, lasts)
    at = at + lasts
  end
end

-- schedule { window = "10s", { pause = secondary, at = "1s", lasts = "500ms" }, { cut = link, every = "3s", lasts = "300ms" } }: as said.
-- schedule { window = "10s", gap = { "500ms", "2s" }, { pause = …, weight = 2, lasts = { "100ms", "1s" } }, … }: drawn by the seed, one
-- after the other, with a gap between, in which the system has to make progress again.
function verbs:schedule(o)
  if type(o) ~= "table" or not o.window then steps.usage("t:schedule needs { window = \"10s\", { pause = cluster, at = \"1s\", lasts = \"500ms\" } }") end
  local window, planned = steps.duration(o.window), {}
  if #o == 0 then steps.usage("t:schedule: it has no faults") end
  if o.gap then
    planned = shuffle_in(o, window, o.gap)
  else
    for _, entry in ipairs(o) do
      local kind = kind_of(with_times(entry, 0))
      local lasts = entry.lasts
      if kinds[kind].heals and not lasts then steps.usage(("t:schedule: %s needs lasts"):format(kind)) end
      local at = entry.at and steps.duration(entry.at) or entry.every and drawn(entry.every) or 0
      local left = entry.times or (entry.every and 100000 or 1)
      while left > 0 do
        local span_ms = lasts and drawn(lasts) or 0
        if at + span_ms > window then break end
        planned[#planned + 1] = with_times(entry, at, span_ms)
        left = left - 1
        if entry.every then at = at + math.max(drawn(entry.every), span_ms + 1) end
      end
    end
  end
  local s = setmetatable({ faults = {}, ends = steps.now() + window / 1000 }, Schedule)
  for _, one in ipairs(planned) do s.faults[#s.faults + 1] = self:fault(one) end
  return s
end

-- Waits until its window is over and all of it is healed.
function Schedule:wait()
  for _, f in ipairs(self.faults) do f:wait_healed() end
  local left = self.ends - steps.now()
  if left > 0 and not steps.planning() then steps.wait(left * 1000) end
end

function Schedule:count() return #self.faults end

-- After the script: nothing may be in force, or its checks were made in the middle of a fault.
local function finish(t)
  local n, names = native.active()
  if n > 0 then
    local why = native.heal_all()
    t:check("every fault was healed before the last check", { verdict = "unknown", evidence = why or ("still in force at the end: " .. names) })
  end
end

return { verbs = verbs, finish = finish }
