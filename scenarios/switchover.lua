-- A planned switchover: the service moves to the secondary and back, in one or more rounds. Writes stop, the rest arrives, both sides are compared,
-- writes start on the other side; nothing is lost or doubled, and each pause is measured.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "switchover",
  options = drill.options {
    soak       = { "2s", "write load before each move" },
    rounds     = { 1,    "how many times to switch there and back", min = 1, max = 50 },
  },
  run = function(t, opt)
    local store, load
    local here, there, feed
    local longest = 0 -- pause, in seconds

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      here, there = t:clusters({ name = "primary" }, { name = "secondary" })
      load = drill.load(t, here, opt)
      feed = drill.replicate(here, there, store, "move-0")
    end)

    for move = 1, 2 * opt.rounds do
      local round = opt.rounds > 1 and ("round %d: "):format(math.ceil(move / 2)) or "the service moves "
      t:step(move % 2 == 1 and round .. "to the secondary" or round .. "back", function()
        t:sleep(opt.soak)
        t:caught_up(feed)
        local from = t:now()
        -- on TiDB nobody can write there any more, root neither; a cluster that is not this run's own is its owner's to close
        local fenced = t:uses_br()
        if fenced then here:sql "SET GLOBAL tidb_super_read_only = ON" end
        load:stop()
        if fenced and not t:planning() then
          local wrote, why = t:attempt(function() here:sql "CREATE DATABASE drtest_late" end)
          t:check("a late write is refused", not wrote and why:find("read-only", 1, true) ~= nil, why)
        end
        drill.drain(t, feed, here, "the other side has all of it")
        feed:stop()
        t:check("both sides are equal", t.verify.same(here, there))
        -- nothing is lost by a plan: RPO 0, proved transaction by transaction
        local ledger = t.verify.ledger(load, there, { of = here })
        t:check("RPO is 0: every acknowledged transaction is on the other side", ledger)
        t:check("not one is lost", t:planning() or ledger.lost == 0, ("%d lost of %d"):format(ledger.lost, ledger.acked))
        t:check("every row is as its transactions left it", t.verify.model(load, there, { of = here }))
        local start_ts = there:current_tso()
        if fenced then here:sql "SET GLOBAL tidb_super_read_only = OFF" end -- the changefeed back writes there
        load:start { on = there }
        local served = load:first_ack()
        t:moved(here, there, served)
        if move <= 2 then t:figure(move == 1 and "pause_ms" or "pause_back_ms", (served - from) * 1000) end
        longest = math.max(longest, served - from)
        here, there = there, here
        feed = here:changefeed { id = ("move-%d"):format(move), sink = there, start_ts = start_ts, redo = store:url(("redo/move-%d"):format(move)) }
        return ("no write for %s; %s transactions acknowledged before, none lost"):format(text.seconds(served - from), text.commas(ledger.acked))
      end)
    end

    t:step("the secondary is a secondary again", function()
      t:sleep "1s"
      load:stop()
      drill.drain(t, feed, here, "it has all that the primary has")
      feed:stop()
      t:check("the secondary equals the primary", t.verify.same(here, there))
      t:figure("moves", 2 * opt.rounds)
      t:figure("longest_pause_ms", longest * 1000)
      t:check("every row is as all moves' transactions left it: none is lost, none is applied twice", t.verify.model(load, there, { of = here }))
      for _, of in ipairs { here, there } do
        t:check(("it has every transaction that the %s acknowledged"):format(of:name()), t.verify.ledger(load, there, { of = of }))
      end
      return ("%d moves, at most %s without a write"):format(2 * opt.rounds, text.seconds(longest))
    end)
  end,
}
