#!/usr/bin/env python3
"""make bench-forecast: is the forecast right? N short drills on the local ground, their options drawn by a seed; then each is forecast from the others
by `drtest forecast` itself, given only what an operator would know of it (the rows that its load writes a second), and held against what it measured.
Drills that are in the folder already count: a run that was cut goes on. Usage: forecast.py DRTEST FOLDER [--drills N] [--seed S] [--instant any|busy]"""
import argparse
import json
import os
import random
import subprocess
import sys

a = argparse.ArgumentParser()
a.add_argument("drtest")
a.add_argument("folder")
a.add_argument("--drills", type=int, default=20)
a.add_argument("--seed", type=int, default=1)
a.add_argument("--instant", default="any", choices=("any", "busy"), help="of the disaster: any is what a forecast of the RPO is about")
opt = a.parse_args()
draw = random.Random(opt.seed)


def seeds_done():
    if not os.path.exists(os.path.join(opt.folder, "history.db")):
        return set()
    out = subprocess.run([opt.drtest, "history", "--out", opt.folder, "--scenario", "failover", "--last", "0", "--json"], capture_output=True, text=True, check=True)
    return {str(json.loads(line)["seed"]) for line in out.stdout.splitlines()}


os.makedirs(opt.folder, exist_ok=True)
for i in range(opt.drills):
    drawn = {"rate": draw.choice((40, 80, 160, 320)), "workers": draw.choice((5, 10, 20)), "tables": 4, "load_tables": draw.choice((1, 2, 4)),
             "table_size": draw.choice((1000, 3000)), "soak": "%ds" % draw.randint(4, 9), "forensic": "false", "instant": opt.instant}
    seed = str(100 * opt.seed + i)
    if seed in seeds_done():
        continue
    argv = [opt.drtest, "run", "failover", "--on", "local", "--store", "file", "--out", opt.folder, "--seed", seed, "--json"]
    for k, v in drawn.items():
        argv += ["--set", "%s=%s" % (k, v)]
    p = subprocess.run(argv, capture_output=True, text=True, check=False)
    r = json.loads(p.stdout) if p.stdout.startswith("{") else {}
    print("%2d  %-80s %s" % (i + 1, " ".join("%s=%s" % x for x in drawn.items()), r.get("verdict", p.stderr.strip()[-200:])), flush=True)
    if p.returncode not in (0, 4):
        sys.exit("bench-forecast: a drill ended with exit code %d" % p.returncode)
p = subprocess.run([opt.drtest, "forecast", "--out", opt.folder, "--scenario", "failover", "--last", str(opt.drills), "--json"], capture_output=True, text=True, check=False)
if p.returncode:
    sys.exit("bench-forecast: %s" % p.stderr.strip())
held = json.loads(p.stdout)["held"]
print("%-40s %9s %22s %22s" % ("drill", "rows/s", "RTO forecast, was", "RPO forecast, was"))
for r in held["runs"]:
    print("%-40s %9.0f %9.2f s %8.2f s %9.2f s %8.2f s" % (r["run"], r["rows_per_s"], r["rto_ms"] / 1e3, r["rto_was_ms"] / 1e3, r["rpo_ms"] / 1e3, r["rpo_was_ms"] / 1e3))
for what in "rto", "rpo":
    print("%s: mean off by %+.0f %%; a drill by %.0f %% (median); %d of %d within 20 %%, %d within their spread" % (
        what.upper(), held[what + "_mean_off"] * 100, held[what + "_error"] * 100, held[what + "_within_20"], len(held["runs"]), held[what + "_inside"]))
print("terms off, as a share of the RTO (mean): " + ", ".join("%s %+.0f %%" % (k, v * 100) for k, v in held["terms_off"].items()))
