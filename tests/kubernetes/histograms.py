#!/usr/bin/env python3
"""histograms.py LEDGER-DIR RESULT.json…: the latency histograms that a load's processes left, added up, against those drawn from its ledgers: bucket by
bucket, for all of it, queued and served. Exit code 1 where one differs. For results of processes that ended by themselves."""
import glob, json, os, sys

RECORD, ACKED = 48, 1

def slot(us):
    """harness/base/hist.h: 64 steps per power of two."""
    shift = 0 if us < 128 else us.bit_length() - 7
    return shift * 64 + (us >> shift)

def drawn(folder):
    parts = {'latency': {}, 'queued': {}, 'served': {}}
    for path in sorted(glob.glob(os.path.join(folder, 'worker-*.ledger'))):
        data = open(path, 'rb').read()
        for at in range(0, len(data) - RECORD + 1, RECORD):
            if data[at + 4] != ACKED:
                continue
            due, begin, end = (int.from_bytes(data[at + o:at + o + 6], 'little') for o in (16, 22, 28))
            for part, us in (('latency', end - due), ('queued', begin - due), ('served', end - begin)):
                parts[part][slot(us)] = parts[part].get(slot(us), 0) + 1
    return parts

def told(paths):
    parts = {'latency': {}, 'queued': {}, 'served': {}}
    for path in paths:
        result = json.load(open(path))
        for part, slots in parts.items():
            for at, n in result[part]['slots']:
                slots[at] = slots.get(at, 0) + n
    return parts

def main():
    ledgers, results = drawn(sys.argv[1]), told(sys.argv[2:])
    wrong = 0
    for part in ledgers:
        a, b = ledgers[part], results[part]
        differ = [s for s in sorted(a.keys() | b.keys()) if a.get(s, 0) != b.get(s, 0)]
        wrong += len(differ)
        print('%s: %d transactions in %d buckets, %d differ%s' % (part, sum(a.values()), len(a), len(differ), ''.join(
            '; bucket %d: %d in the ledgers, %d in the results' % (s, a.get(s, 0), b.get(s, 0)) for s in differ[:5])))
    if not sum(ledgers['latency'].values()):
        print('no transaction: nothing was compared')
    sys.exit(1 if wrong or not sum(ledgers['latency'].values()) else 0)

if __name__ == '__main__':
    main()
