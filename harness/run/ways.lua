-- t:way and t:advise: several ways back from one state, side by side, and which of them to take. The chunk is called with the natives of t
-- and returns { verbs, choose }.
local steps, text = ...

local fields = { name = "string", check = "table", closed = "string", lost = "number", acked = "number", window_ms = "number", wrong = "number",
                 seconds = "number", steps = "table", needs = "string" }

-- What the way promises holds, though not always for every row; a check that could not tell is no promise.
local function sound(w) return not w.closed and (w.verdict == "pass" or w.verdict == "partial") end

-- What is not as the acknowledged transactions left it: transactions that are gone, rows whose writes had nothing to write to.
local function cost(w) return (w.lost or 0) + (w.wrong or 0) end

-- Least loss, then soonest back, then least work. Returns the way and why, or nil and why.
local function choose(ways)
  local best
  for _, w in ipairs(ways) do
    if sound(w) and (not best or cost(w) < cost(best) or cost(w) == cost(best) and (w.seconds < best.seconds
      or w.seconds == best.seconds and #w.steps < #best.steps)) then best = w end
  end
  if not best then return nil, "none of them leads to a correct state" end
  local words, same = {}, 0
  for _, w in ipairs(ways) do
    if w ~= best and w.closed then
      words[#words + 1] = ("%s is closed"):format(w.name)
    elseif w ~= best and not sound(w) then
      words[#words + 1] = ("%s is not consistent"):format(w.name)
    elseif w ~= best and cost(w) > cost(best) then
      words[#words + 1] = ("%s loses %s"):format(w.name, text.commas(cost(w)))
    elseif w ~= best then
      same = same + 1
      words[#words + 1] = ("%s loses as much and takes %s"):format(w.name, text.seconds(w.seconds))
    end
  end
  local why = cost(best) == 0 and "it loses nothing" or ("it loses %s, no more than any other"):format(text.commas(cost(best)))
  why = ("%s, and is back after %s%s"):format(why, text.seconds(best.seconds), same > 0 and ", the fastest of those" or "")
  return best, why .. (#words > 0 and "; " .. table.concat(words, ", ") or "")
end

local verbs = {}

-- way { name, check | closed, lost, acked, window_ms, wrong, seconds, steps = { "what the operator does", … }, needs = "what had to be there before" }:
-- a line of the table. check: the result of t.verify (or a list of them) that says whether its state holds; closed: why it can't be gone.
function verbs:way(w)
  if type(w) ~= "table" then steps.usage("t:way { name = …, check = …, seconds = …, steps = { … }, needs = … }") end
  for key, value in pairs(w) do
    if not fields[key] then steps.no_name("t:way", tostring(key), fields) end
    if type(value) ~= fields[key] then steps.usage(("t:way: %s must be a %s, not a %s"):format(key, fields[key], type(value))) end
  end
  if not w.name or not w.needs or not w.steps then steps.usage("t:way needs name, steps and needs") end
  if (w.check == nil) == (w.closed == nil) then steps.usage(("t:way \"%s\" needs a check, or why it is closed"):format(w.name)) end
  if w.check and not w.seconds then steps.usage(("t:way \"%s\" needs seconds, from its start to its end"):format(w.name)) end
  local checks = w.check and (w.check.verdict and { w.check } or w.check) or {}
  w.verdict = "pass"
  w.evidence = ""
  if w.check and #checks == 0 then w.verdict = "unknown" end
  for _, c in ipairs(checks) do
    if c.verdict == "fail" or c.verdict == "unknown" and w.verdict == "pass" then
      w.verdict, w.evidence = c.verdict, c.evidence
    end
  end
  if w.verdict == "pass" and (w.wrong or 0) > 0 then
    w.verdict = "partial"
    w.evidence = ("%s row%s not as the acknowledged transactions left %s"):format(text.commas(w.wrong), w.wrong == 1 and " is" or "s are",
      w.wrong == 1 and "it" or "them")
  end
  self.ways = rawget(self, "ways") or {}
  for _, other in ipairs(self.ways) do
    if other.name == w.name then steps.usage(("t:way: the way \"%s\" exists already"):format(w.name)) end
  end
  self.ways[#self.ways + 1] = w
  if steps.planning() then return end
  steps.way(w.name, w.closed and "closed" or w.verdict, w.closed or w.evidence, w.lost, w.acked, w.window_ms, w.wrong, w.seconds,
    table.concat(w.steps, "\n"), w.needs)
end

-- advise(): which of the ways to take, and why; the table's last line. Returns its name, or nil.
function verbs:advise()
  if not rawget(self, "ways") then steps.usage("t:advise: there is no t:way") end
  if steps.planning() then return nil end
  local best, why = choose(self.ways)
  steps.advise(best and best.name or "", why)
  return best and best.name, why
end

return { verbs = verbs, choose = choose }
