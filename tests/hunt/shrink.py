"""Fewest statements that still fail: steps are taken out in ever smaller pieces, then the setup's."""
import time
from case import Case

def shrink(bench, c, kind, budget_s, say):
    """`kind` tells whether what a smaller case gives is the same failure. Returns the smallest case that was found in time."""
    end = time.monotonic() + budget_s
    for part in ('steps', 'setup'):
        items = list(getattr(c, part))
        size = max(1, len(items) // 2)
        while items and time.monotonic() < end:
            at, smaller = 0, False
            while at < len(items) and time.monotonic() < end:
                rest = items[:at] + items[at + size:]
                tried = Case(c.name, c.about, c.options, c.expect, c.setup, c.steps)
                setattr(tried, part, rest)
                try:
                    found = bench.run(tried)
                except Exception:  # a setup that does not run any more
                    found = []
                if found and kind(found):
                    items, smaller = rest, True
                    setattr(c, part, items)
                    say('  %d steps, %d of setup' % (len(c.steps), len(c.setup)))
                else:
                    at += size
            if size == 1 and not smaller:
                break
            size = max(1, size // 2) if not smaller or size > 1 else 1
    return c
