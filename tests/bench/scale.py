#!/usr/bin/env python3
"""make bench-scale: how time and memory grow with size. Each curve is measured from small to large, a straight line is fitted (time = begin + rate x
size), and pictures, figures and the table of docs/SCALE.md are written. CPU of both sides counts beside the wall clock: on a machine that is shared
it is the figure to trust. Usage: scale.py DRTEST REDO_TOOL VERIFY_CHECKS DOCS [--only CURVE,…] [--largest FACTOR]"""
import argparse
import json
import os
import re
import shutil
import signal
import sys
import time

import servers
from servers import BINLOG, DURABLE, Run, Server, path

a = argparse.ArgumentParser()
a.add_argument("drtest")
a.add_argument("tool")
a.add_argument("checks")
a.add_argument("docs")
a.add_argument("--only", default="")
a.add_argument("--largest", type=float, default=1, help="of every size")
opt = a.parse_args()
drtest, tool, checks = (os.path.abspath(p) for p in (opt.drtest, opt.tool, opt.checks))
folder = os.path.join(opt.docs, "scale")
PAGE = os.path.join(opt.docs, "SCALE.md")


def sizes(*n):
    return [int(x * opt.largest) for x in n]


def both(server, argv):
    """seconds, CPU of drtest, CPU of the servers, MiB"""
    before = [s.cpu() for s in server]
    r = Run(argv)
    return r.seconds, r.cpu, sum(s.cpu() for s in server) - sum(before), r.rss


def read_log():
    """Reading, judging and merging a log of n transactions on 3 x 10,000 rows."""
    for n in sizes(10000, 30000, 100000, 300000, 1000000):
        Run([tool, "generate", path("log"), "3", "10000", str(n)])
        yield n, both([], [drtest, "redo", "apply", "--storage", "file://" + path("log", "log"), "--dry-run", "--json"])
        shutil.rmtree(path("log"))


def replay():
    """The same with its writing: n transactions spread over as many rows, of one table in ten."""
    for n in sizes(10000, 30000, 100000, 300000):
        Run([tool, "generate", path("log"), "3", str(n), str(n)])
        s = Server("replayed", *DURABLE)
        with open(path("log", "initial.sql"), "rb") as f:
            Run(s.client(), stdin=f)
        yield n, both([s], [drtest, "redo", "apply", "--storage", "file://" + path("log", "log"), "--sink-uri", s.uri() + "/", "--tmp-dir", path("spill"),
                            "--time-zone", "+00:00", "--json"])
        s.stop()
        shutil.rmtree(path("log"))


def prepared(name, tables, rows):
    s = Server(name, *BINLOG, "--innodb-flush-log-at-trx-commit=2")
    s.sql("CREATE DATABASE sbtest")
    Run([drtest, "load", "oltp_write_only", "prepare", "--mysql-host=127.0.0.1", "--mysql-port=%d" % s.port, "--mysql-user=root", "--tables=%d" % tables,
         "--table-size=%d" % rows, "--threads=2"])
    return s


def compare():
    """Two equal servers, ten tables."""
    for n in sizes(30000, 100000, 300000, 1000000):
        prepared("a", 10, n // 10).stop()
        x, y = Server("a2", *BINLOG, template="a"), Server("b2", *BINLOG, template="a")
        yield n, both([x, y], [drtest, "diff", "--a", x.uri(), "--b", y.uri()])
        x.stop()
        y.stop()


def tables():
    """Backup, restore and compare of n tables of two rows."""
    for n in sizes(30, 100, 300, 1000):
        x, y = Server("many", *BINLOG, *DURABLE), Server("many2", *BINLOG, *DURABLE)
        x.sql("CREATE DATABASE sbtest", *["CREATE TABLE sbtest.t%d (id INT PRIMARY KEY, v INT, KEY (v))" % i for i in range(n)],
              *["INSERT INTO sbtest.t%d VALUES (1, 2), (3, 4)" % i for i in range(n)])
        shutil.rmtree(path("backup"), ignore_errors=True)
        parts = [both([x, y], [drtest, "backup", "--source-uri", x.uri(), "--storage", "file://" + path("backup")]),
                 both([x, y], [drtest, "restore", "--target-uri", y.uri(), "--storage", "file://" + path("backup")]),
                 both([x, y], [drtest, "diff", "--a", x.uri(), "--b", y.uri()])]
        yield n, tuple(sum(p[i] for p in parts) for i in range(3)) + (max(p[3] for p in parts),)
        x.stop()
        y.stop()


def diff_tables():
    """Compare alone of n tables of two rows, with the servers' own default caches; the statements of both are counted."""
    for n in sizes(1000, 3000, 10000):
        # in one file, and nothing waits for the disk: to make so many is not what is measured
        x = Server("thousands", "--innodb-flush-log-at-trx-commit=0", "--innodb-file-per-table=0", "--innodb-flush-method=nosync")
        x.sql("CREATE DATABASE sbtest", *["CREATE TABLE sbtest.t%d (id INT PRIMARY KEY, v INT, KEY (v)) SELECT 1 id, 2 v UNION SELECT 3, 4" % i for i in range(n)])
        x.stop()
        x, y = Server("thousands2", template="thousands"), Server("thousands3", template="thousands")
        before = [questions(s) for s in (x, y)]
        seconds, cpu, server, mib = both([x, y], [drtest, "diff", "--a", x.uri(), "--b", y.uri()])
        asked = sum(questions(s) for s in (x, y)) - sum(before) - 2
        print("         %9s  %d statements, %.2f each" % (short(n), asked, asked / n), flush=True)
        yield n, (seconds, cpu, server, mib)
        x.stop()
        y.stop()


def questions(server):
    return int(server.sql("SHOW GLOBAL STATUS LIKE 'Questions'")[0][1])


def columns():
    """Compare of 1,000 rows of n columns."""
    for n in sizes(10, 30, 100, 300, 1017):
        x = Server("wide", *BINLOG)
        x.sql("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, %s)" % ", ".join("c%d INT" % i for i in range(n - 1)),
              *["INSERT INTO d.t VALUES %s" % ", ".join("(%d, %s)" % (r, ", ".join(str(r * c % 1000003) for c in range(n - 1))) for r in range(k, k + 100))
                for k in range(0, 1000, 100)])
        x.stop()
        x, y = Server("wide2", *BINLOG, template="wide"), Server("wide3", *BINLOG, template="wide")
        yield n, both([x, y], [drtest, "diff", "--a", x.uri(), "--b", y.uri()])
        x.stop()
        y.stop()


def ledger():
    """The ledger check of n transactions, streamed."""
    for n in sizes(1000000, 3000000, 10000000, 50000000):
        begun = time.monotonic()
        r = Run([checks, "stream", str(n)])
        made = re.search(r"VmHWM:[^0-9]*(\d+)", r.out)
        yield n, (time.monotonic() - begun, r.cpu, 0, float(made.group(1)) / 1024 if made else r.rss)


CURVES = {"read": (read_log, "transactions in the log"), "replay": (replay, "transactions in the log, rows in the tables"),
          "compare": (compare, "rows on each side"), "tables": (tables, "tables"), "diff_tables": (diff_tables, "tables, compared alone"), "columns": (columns, "columns"), "ledger": (ledger, "transactions")}


def fit(points):
    """begin + rate x size through the CPU seconds, each point's error counted as a share of itself."""
    w = [1 / max(c, 0.01) ** 2 for _, c, _, _ in points]
    sw = sum(w)
    mx = sum(wi * p[0] for wi, p in zip(w, points)) / sw
    my = sum(wi * p[1] for wi, p in zip(w, points)) / sw
    sxx = sum(wi * (p[0] - mx) ** 2 for wi, p in zip(w, points))
    rate = sum(wi * (p[0] - mx) * (p[1] - my) for wi, p in zip(w, points)) / sxx if sxx else 0
    return my - rate * mx, rate


def svg(name, points, begin, rate, unit):
    """Both axes logarithmic: points are CPU seconds, the line is the fit; memory as a dashed line."""
    import math
    w, h, left, bottom = 560, 300, 60, 40
    xs, ys = [p[0] for p in points], [max(p[1], 0.001) for p in points]
    x0, x1 = math.log10(min(xs)), math.log10(max(xs))
    y0, y1 = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) + 0.001)

    def at(x, y):
        return left + (math.log10(x) - x0) / max(x1 - x0, 0.001) * (w - left - 60), h - bottom - (math.log10(max(y, 10 ** y0)) - y0) / (y1 - y0) * (h - bottom - 30)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (w, h),
           '<rect width="%d" height="%d" fill="white"/>' % (w, h), '<text x="%d" y="18" font-weight="bold">%s: seconds of CPU by %s</text>' % (left, name, unit)]
    for e in range(y0, y1 + 1):
        y = at(xs[0], 10 ** e)[1]
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g s</text>' % (left, w - 60, y, y, left - 6, y + 4, 10 ** e))
    for x in xs:
        px = at(x, ys[0])[0]
        out.append('<line x1="%.1f" x2="%.1f" y1="30" y2="%d" stroke="#eee"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (px, px, h - bottom, px, h - bottom + 16, short(x)))
    line = [at(x, begin + rate * x) for x in [10 ** (x0 + (x1 - x0) * i / 40) for i in range(41)]]
    out.append('<polyline fill="none" stroke="#1f77b4" stroke-width="2" points="%s"/>' % " ".join("%.1f,%.1f" % p for p in line))
    for x, y, _, m in points:
        px, py = at(x, y)
        out.append('<circle cx="%.1f" cy="%.1f" r="4" fill="#d62728"/><text x="%.1f" y="%.1f" fill="#555" font-size="10">%.0f MiB</text>' % (px, py, px + 6, py + 12, m))
    out.append("</svg>")
    with open(os.path.join(folder, name + ".svg"), "w") as f:
        f.write("\n".join(out) + "\n")


def short(n):
    return "%g M" % (n / 1e6) if n >= 1e6 else "%g k" % (n / 1e3) if n >= 1e3 else "%d" % n


def measure(name):
    f, unit = CURVES[name]
    points = []
    for n, (wall, ours, server, mib) in f():
        points.append((n, ours + server, wall, mib))
        print("%-8s %9s  %7.2f s of CPU (servers %.2f)  %7.2f s  %5.0f MiB" % (name, short(n), ours + server, server, wall, mib), flush=True)
    begin, rate = fit(points)
    svg(name, points, begin, rate, unit)
    return {"unit": unit, "points": points, "begin_s": begin, "rate_s": rate}


def plain(x):
    """Three digits that count, and no exponent."""
    return "{:,.0f}".format(float("%.3g" % x)) if x >= 100 else "%.3g" % x


def table(figures):
    lines = ["| curve | sizes | CPU, fitted | per unit, smallest → largest | resident, smallest → largest |", "| --- | --- | --- | --- | --- |"]
    for name in CURVES:
        if name not in figures:
            continue
        c = figures[name]
        p = c["points"]
        part = [(x[1] - c["begin_s"]) / x[0] * 1e6 for x in (p[0], p[-1])]
        lines.append("| %s | %s to %s %s | %.2f s + %s µs each | %s → %s µs | %.0f → %.0f MiB |" % (
            name, short(p[0][0]), short(p[-1][0]), c["unit"], c["begin_s"], plain(c["rate_s"] * 1e6), plain(part[0]), plain(part[1]), p[0][3], p[-1][3]))
    return "\n".join(lines)


def write_page(figures):
    with open(os.path.join(folder, "figures.json"), "w") as f:
        json.dump(figures, f, indent=1, sort_keys=True)
        f.write("\n")
    page = open(PAGE).read()
    page = re.sub(r"(<!-- figures -->\n).*?(<!-- end -->)", lambda m: m.group(1) + table(figures) + "\n" + m.group(2), page, flags=re.S)
    with open(PAGE, "w") as f:
        f.write(page)


try:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    os.makedirs(folder, exist_ok=True)
    known = os.path.join(folder, "figures.json")
    figures = json.load(open(known)) if os.path.exists(known) else {}
    for name in opt.only.split(",") if opt.only else CURVES:
        if name not in CURVES:
            sys.exit("bench-scale: no curve '%s': %s" % (name, ", ".join(CURVES)))
        figures[name] = measure(name)
        write_page(figures)
finally:
    servers.end()
