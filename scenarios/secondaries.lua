-- One primary, several secondaries, each with its own changefeed and redo log. The primary dies: the newest secondary is found and promoted, and the
-- others follow it, without a new full copy where the TSOs allow it. All of them are judged.
local drill = require "drtest.drill"
local scenario = require "drtest.scenario"
local text = require "drtest.text"

return scenario {
  name = "secondaries",
  promotes = true,
  needs = { "kill", "link" },
  options = drill.options {
    secondaries = { 2,     "how many", min = 2, max = 3 },
    behind      = { "2s",  "how long the last secondary's link is slow before the disaster; 0s: never" },
    soak        = { "4s",  "write load before the disaster" },
  },
  run = function(t, opt)
    local store, primary, load, backup, hole
    local all, newest = {}, nil -- { cluster, feed, redo, meta, point, state }

    t:step("set up", function()
      store = t:store { buckets = { "backup", "redo" } }
      local wanted = { { name = "primary" } }
      for i = 1, opt.secondaries do wanted[#wanted + 1] = { name = "secondary-" .. i } end
      local made = { t:clusters(unpack(wanted)) }
      primary = made[1]
      local version = not t:planning() and primary:query "SELECT VERSION()"[1][1]
      for i = 2, #made do
        local other = not t:planning() and made[i]:query "SELECT VERSION()"[1][1]
        if other ~= version then
          t:refuse(("%s runs %s, the primary %s: secondaries with different versions cannot replace each other; upgrade all of them to one version")
            :format(made[i]:name(), other, version))
        end
        all[i - 1] = { cluster = made[i], redo = store:url("redo/secondary-" .. i - 1) }
      end
      local slow = t:duration(opt.behind) > 0 and t:link { "feed", all[#all].cluster }
      load = drill.load(t, primary, opt)
      primary:set_gc(false)
      backup = primary:backup(store:url "backup/full")
      for _, s in ipairs(all) do
        s.cluster:restore(backup)
        s.feed = primary:changefeed { id = "to-" .. s.cluster:name(), sink = s.cluster, start_ts = backup.ts, redo = s.redo }
      end
      for _, s in ipairs(all) do
        t:caught_up(s.feed, s.cluster:name())
        t:redo_caught_up(s.feed)
      end
      hole = slow
    end)

    t:step("disaster in the primary", function()
      t:sleep(opt.soak)
      local behind
      if hole then
        behind = t:fault { black_hole = hole }
        t:sleep(opt.behind)
      end
      t:disaster { kill = primary, while_busy = all[1].feed, within = "4s" }
      load:wait_disconnected()
      if behind then behind:heal() end
      return ("%s acknowledged transactions"):format(text.commas(load:stats().acked))
    end)

    t:step("which secondary is newest", function()
      local words = {}
      for _, s in ipairs(all) do
        s.meta = t.redo.meta(s.redo)
        -- where a replay ends decides; of equals, what has less to replay
        if not newest or s.meta.resolved_ts > newest.meta.resolved_ts or
          s.meta.resolved_ts == newest.meta.resolved_ts and s.meta.checkpoint_ts > newest.meta.checkpoint_ts then newest = s end
      end
      for _, s in ipairs(all) do
        local ms = newest.meta.resolved_ts:ms() - s.meta.resolved_ts:ms()
        words[#words + 1] = ("%s: its redo log ends %s, its checkpoint is %s before that"):format(s.cluster:name(),
          s == newest and "last" or ms > 0 and text.seconds(ms / 1000) .. " earlier" or "at the same TSO",
          text.seconds((s.meta.resolved_ts:ms() - s.meta.checkpoint_ts:ms()) / 1000))
      end
      t:figure("newest", newest.cluster:name())
      t:note(table.concat(words, "; "))
      return newest.cluster:name() .. " is newest"
    end)

    t:step("it is replayed and promoted", function()
      t:phase "replay"
      newest.point = newest.cluster:apply_redo(newest.redo).point
      newest.start_ts = newest.cluster:current_tso() -- what the others follow it from
      local served = t:promote(load, newest.cluster, function(held)
        local ledger = t.verify.ledger(load, newest.cluster, { of = primary, point = newest.point, snapshot = held })
        t:check("the newest: nothing up to the replay point is missing, nothing after it is there", ledger)
        t:check("the newest: every row is exactly as it was at the replay point",
          t.verify.model(load, newest.cluster, { of = primary, point = newest.point, snapshot = held }))
        t:rpo(ledger)
      end)
      t:moved(primary, newest.cluster, served)
    end)

    t:step("the others reach the same point", function()
      local words = {}
      for _, s in ipairs(all) do
        if s ~= newest then
          s.point = s.cluster:apply_redo(s.redo).point
          -- an own log that ends earlier: the newest one's goes on from there, if it begins no later
          if not t:planning() and s.point < newest.point and newest.meta.checkpoint_ts <= s.point then
            s.point = s.cluster:apply_redo(newest.redo).point
            words[#words + 1] = s.cluster:name() .. " by the newest one's log"
          elseif t:planning() or s.point == newest.point then
            words[#words + 1] = s.cluster:name() .. " by its own"
          else
            s.gap = true
            words[#words + 1] = ("%s cannot: its log ends %s before the newest one's starts, so it needs a new full copy"):format(s.cluster:name(),
              text.seconds((newest.meta.checkpoint_ts:ms() - s.point:ms()) / 1000))
          end
          local held = t.verify.snapshot(s.cluster, load) -- the load goes on elsewhere: its ledger is read as it is now
          t:check(s.cluster:name() .. ": nothing up to its point is missing, nothing after it is there",
            t.verify.ledger(load, s.cluster, { of = primary, point = s.point, snapshot = held }))
          t:check(s.cluster:name() .. ": every row is exactly as it was at its point",
            t.verify.model(load, s.cluster, { of = primary, point = s.point, snapshot = held }))
          held:release()
        end
      end
      return table.concat(words, "; ")
    end)

    t:step("they follow the new primary", function()
      local copies = 0
      newest.cluster:set_gc(false)
      for i, s in ipairs(all) do
        if s ~= newest then
          local from = newest.start_ts
          if s.gap then
            copies = copies + 1
            local again = newest.cluster:backup(store:url("backup/again-" .. i))
            s.cluster = t:cluster { name = s.cluster:name() .. "-rebuilt" }
            s.cluster:restore(again)
            from = again.ts
          end
          s.feed = newest.cluster:changefeed { id = "again-" .. i, sink = s.cluster, start_ts = from, redo = store:url("redo/again-" .. i) }
        end
      end
      for _, s in ipairs(all) do
        if s ~= newest then
          t:caught_up(s.feed, s.cluster:name())
        end
      end
      t:recovered "redundant"
      t:figure("full_copies", copies)
      t:sleep "1s"
      load:stop()
      local last = newest.cluster:position()
      for _, s in ipairs(all) do
        if s ~= newest then
          t:eventually(("%s has all of it"):format(s.cluster:name()), t:timeout "1m", function() return s.feed:reached(last) end)
          s.feed:stop()
          t:check(s.cluster:name() .. " equals the new primary", t.verify.same(newest.cluster, s.cluster))
          t:check(s.cluster:name() .. ": no write that the new primary acknowledged is lost", t.verify.ledger(load, s.cluster, { of = newest.cluster }))
        end
      end
      t:check("every row of the new primary is as its transactions left it", t.verify.model(load, newest.cluster, { of = newest.cluster }))
      return copies == 0 and "without a new full copy" or ("%d new full copies"):format(copies)
    end)
  end,
}
