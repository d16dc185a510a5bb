"""Runs a command and writes its seconds, CPU and peak resident KiB to FILE. A process of its own: what a child inherits at its fork counts as its
resident memory too, and a small parent keeps that small. Usage: measured.py FILE COMMAND…"""
import os
import sys
import time

begun = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as f:
    f.write("%f %f %d" % (time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) & 255)
