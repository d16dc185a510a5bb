#!/usr/bin/env python3
"""make bench: one page of ratios, drtest beside its peers. Both sides run in turn in one invocation, on equal copies of one server's data; of the
pairs the median and the spread of the ratio are told. Usage: page.py DRTEST REDO_TOOL FLOOR PAGE [--pairs N] [--only ROW,ROW] [--seconds N]"""
import argparse
import json
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time

import xxhash

import peer_query
import servers
from servers import BINLOG, DURABLE, Run, Server, path

a = argparse.ArgumentParser()
a.add_argument("drtest")
a.add_argument("tool")
a.add_argument("floor", help="the client that only sends the bytes")
a.add_argument("page")
a.add_argument("--pairs", type=int, default=5)
a.add_argument("--seconds", type=int, default=4, help="of a load")
a.add_argument("--only", default="", help="hot, wide, load, compare, backup, tables, feed, drill")
a.add_argument("--perf", default=os.environ.get("PERF", "../shared/fixtures/redo/perf.tar.zst"))
opt = a.parse_args()
drtest = os.path.abspath(opt.drtest)
# `cdc redo apply` does 2.35 times what `mariadb-binlog | mariadb` does (measured where it runs); used where no cdc is on PATH
STOCK_OF_PIPE = 2.35
rows, failed = [], False


class Figure:
    """A row of the page: pairs of (ours, theirs). better: "less" or "more"; the ratio is always how many times better ours is."""

    def __init__(self, name, unit, peer, goal, better="less"):
        self.name, self.unit, self.peer, self.goal, self.better = name, unit, peer, goal, better
        self.pairs, self.notes, self.load = [], [], os.getloadavg()[0]
        rows.append(self)

    def add(self, ours, theirs):
        self.pairs.append((ours, theirs))

    def ratios(self):
        return [t / o if self.better == "less" else o / t for o, t in self.pairs]

    def cells(self):
        r, ours, theirs = self.ratios(), [o for o, _ in self.pairs], [t for _, t in self.pairs]
        median = statistics.median(r)
        return [self.name, "%s %s" % (digits(statistics.median(ours)), self.unit), "%s %s" % (digits(statistics.median(theirs)), self.unit), self.peer,
                "%.2f ×" % median, "%.2f–%.2f" % (min(r), max(r)), "≥ %g ×" % self.goal, "reached" if median >= self.goal else "below",
                "; ".join(self.notes + ["load %.1f" % self.load])]


def digits(x):
    return "%.0f" % x if x >= 100 else "%.1f" % x if x >= 10 else "%.3g" % x


def tell(f):
    c = f.cells()
    print("%-46s %14s %14s  %-34s %8s (%s) %8s %-8s %s" % tuple(c), flush=True)


def each_pair():
    for i in range(opt.pairs):
        yield i


# ---- replay

def history(template, db, n, tables, size, distribution):
    """A server of the template's data that does n transactions: its binary log, in a folder."""
    s = Server("source", *BINLOG, "--innodb-flush-log-at-trx-commit=0", template=template)
    Run([drtest, "load", "oltp_write_only", "run", "--mysql-host=127.0.0.1", "--mysql-port=%d" % s.port, "--mysql-user=root", "--mysql-db=" + db,
         "--tables=%d" % tables, "--table-size=%d" % size, "--rand-type=" + distribution, "--threads=10", "--events=%d" % n])
    s.stop()
    logs = sorted(os.path.join(s.data, f) for f in os.listdir(s.data) if f.startswith("bin.0"))
    return logs


def stock(server, log, binlogs, n, transactions):
    """Seconds of the stock tool for the log, or from what the pipe needs for n transactions of the same kind."""
    if shutil.which("cdc"):
        return Run(["cdc", "redo", "apply", "--tmp-dir", path("cdc"), "--storage", "file://" + log, "--sink-uri", server.uri() + "/"]).seconds
    pipe = Run("mariadb-binlog --no-defaults %s | %s" % (" ".join(binlogs), " ".join(server.client())), shell=True)
    return pipe.seconds * transactions / n / STOCK_OF_PIPE


def replay(name, folder, db, tables, size, distribution, goal, memory, floor):
    pipe_n, transactions = 4000, 50000
    log = os.path.join(folder, "log")
    s = Server("replay-template", *DURABLE)
    with open(os.path.join(folder, "initial.sql"), "rb") as f:
        Run(s.client(), stdin=f)
    s.stop()
    binlogs = history("replay-template", db, pipe_n, tables, size, distribution)
    peer = "cdc redo apply" if shutil.which("cdc") else "cdc redo apply (pipe / %.2f)" % STOCK_OF_PIPE
    f = Figure("replay, %s log, 50,000 transactions" % name, "s", peer, goal)
    rss, floors, server_cpu = [], [], []
    for i in each_pair():
        s = Server("run", *DURABLE, template="replay-template")
        theirs = stock(s, log, binlogs, pipe_n, transactions)
        s.stop()
        s = Server("run", *DURABLE, template="replay-template")
        before = s.cpu()
        r = Run([drtest, "redo", "apply", "--storage", "file://" + log, "--sink-uri", s.uri() + "/", "--tmp-dir", path("spill"),
                 "--time-zone", "+00:00", "--json"])
        server_cpu.append(s.cpu() - before)
        rss.append(r.rss)
        f.add(r.seconds, theirs)
        if floor and i == 0:
            changed = changes(s, db, tables)
        s.stop()
        if floor:
            s = Server("run", *DURABLE, template="replay-template")
            floors.append(fastest(s, db, changed))
            s.stop()
    f.notes.append("%.0f MiB resident, goal %d" % (max(rss), memory))
    f.notes.append("server %.2f s of CPU" % statistics.median(server_cpu))
    if floor:
        f.notes.append("floor: %.2f s for the rows alone (LOAD DATA LOCAL of %d tables at once)" % (statistics.median(floors), tables))
    tell(f)
    shutil.rmtree(path("replay-template"))


def changes(server, db, tables):
    """Files of the rows that the replay has changed, by table."""
    before = Server("before", *DURABLE, template="replay-template")
    files = {}
    for t in range(1, tables + 1):
        table, lines = "sbtest%d" % t, []
        old, new = (Run(x.client("-e", "SELECT * FROM %s.%s ORDER BY id" % (db, table))).out.splitlines() for x in (before, server))
        lines = [n for o, n in zip(old, new) if o != n]
        files[table] = path("changed-" + table)
        with open(files[table], "w") as f:
            f.write("".join(x + "\n" for x in lines))
    before.stop()
    return files


def fastest(server, db, files):
    begun, jobs = time.monotonic(), []
    for table, file in files.items():
        q = "SET foreign_key_checks=0, unique_checks=0; LOAD DATA LOCAL INFILE '%s' REPLACE INTO TABLE %s.%s CHARACTER SET utf8mb4" % (file, db, table)
        jobs.append(subprocess.Popen(server.client("--local-infile=1", "-e", q)))
    if any(j.wait() for j in jobs):
        sys.exit("bench: LOAD DATA failed")
    return time.monotonic() - begun


def hot():
    if os.path.exists(opt.perf):
        os.makedirs(path("hot"))
        Run("zstd -dc --long=28 %s | tar -C %s -x" % (os.path.abspath(opt.perf), path("hot")), shell=True)
        replay("hot (real, TiCDC's)", path("hot"), "redo_perf", 3, 10000, "special", 25, 32, False)
    else:
        Run([opt.tool, "generate", path("hot"), "3", "10000", "50000"])
        replay("hot", path("hot"), "redo_bench", 3, 10000, "special", 25, 32, False)


def wide():
    Run([opt.tool, "generate", path("wide"), "3", "80000", "50000"])
    replay("wide", path("wide"), "redo_bench", 3, 80000, "uniform", 12, 64, True)


# ---- load

def beside(figure, unit, floor):
    """What a client that only sends the bytes makes, in the same pairs, and what share of it ours is."""
    share = statistics.median(o / f for (o, _), f in zip(figure.pairs, floor))
    figure.notes.append("only the bytes: %s %s, ours %.2f × that" % (digits(statistics.median(floor)), unit, share))


def load():
    s = Server("load", *BINLOG, "--innodb-flush-log-at-trx-commit=2")
    common = ["--mysql-host=127.0.0.1", "--mysql-port=%d" % s.port, "--mysql-user=root", "--tables=3", "--table-size=10000", "--rand-type=uniform"]
    own = "--mysql-db=drtest"  # a ledger is only kept over rows that are all of drtest's writing
    for db in "sbtest", "drtest":
        s.sql("CREATE DATABASE " + db)
        Run([drtest, "load", "oltp_write_only", "prepare", *common, "--mysql-db=" + db])

    def sysbench(*more):
        r = Run(["sysbench", "oltp_write_only", *common, "--time=%d" % opt.seconds, *more, "run"])
        return r.find(r"transactions: +(\d+)") / r.find(r"total time: +([\d.]+)"), r.cpu / r.find(r"transactions: +(\d+)") * 1e6

    def ours(*more):
        r = Run([drtest, "load", "oltp_write_only", "run", *common, own, "--time=%d" % opt.seconds, *more])
        return r.find(r"transactions: +(\d+)") / r.find(r"total time: +([\d.]+)"), r.cpu / r.find(r"transactions: +(\d+)") * 1e6

    def floor(workers, mode):
        """The same statements as bytes made beforehand: what a client can't go below."""
        r = json.loads(Run([opt.floor, str(s.port), "3", "10000", str(workers), str(opt.seconds), "text" if mode == "disable" else "prepared"]).out)
        return r["transactions"] / r["seconds"], r["cpu_s"] / r["transactions"] * 1e6

    for workers in 10, 100:
        for mode in "auto", "disable":
            for ledger in False, True:
                what = "load, %d workers, %s, %s" % (workers, "text" if mode == "disable" else "prepared", "ledger" if ledger else "no ledger")
                tps = Figure(what, "/s", "sysbench", 1.0 if ledger else 1.05, "more")
                cpu = Figure(what + ": client CPU", "µs", "sysbench", 1 / 0.75 if ledger else 1 / 0.7)
                bytes_alone = []
                for i in each_pair():
                    shutil.rmtree(path("ledger"), ignore_errors=True)
                    os.makedirs(path("ledger"))
                    bytes_alone.append(floor(workers, mode))
                    theirs = sysbench("--threads=%d" % workers, "--db-ps-mode=" + mode)
                    mine = ours("--threads=%d" % workers, "--db-ps-mode=" + mode, *(["--ledger-dir=" + path("ledger")] if ledger else []))
                    tps.add(mine[0], theirs[0])
                    cpu.add(mine[1], theirs[1])
                beside(tps, "/s", [f[0] for f in bytes_alone])
                beside(cpu, "µs", [f[1] for f in bytes_alone])
                tell(tps)
                tell(cpu)
    one = Figure("load, 10 workers, one round trip", "/s", "sysbench", 1.4, "more")
    for i in each_pair():
        theirs = sysbench("--threads=10")
        one.add(ours("--threads=10", "--roundtrips=one")[0], theirs[0])
    tell(one)
    s.stop()


# ---- compare, backup

def million(name):
    s = Server(name, *BINLOG, *DURABLE)
    s.sql("CREATE DATABASE sbtest")
    Run([drtest, "load", "oltp_write_only", "prepare", "--mysql-host=127.0.0.1", "--mysql-port=%d" % s.port, "--mysql-user=root", "--tables=10",
         "--table-size=100000", "--threads=4"])
    return s


def compare():
    x = million("a")
    x.sql("DROP TABLE IF EXISTS sbtest.drtest_ledger")
    x.stop()
    x, y = Server("a2", *BINLOG, *DURABLE, template="a"), Server("b2", *BINLOG, *DURABLE, template="a")
    for w in range(4):
        with open(path("query%d.sql" % w), "w") as f:
            for i in range(w, 20, 4):
                f.write(peer_query.query(i // 2 + 1, i % 2 * 50000, i % 2 * 50000 + 50000) + "\n")

    def query():
        begun, jobs = time.monotonic(), []
        for w in range(4):
            for s in x, y:
                jobs.append(subprocess.Popen(s.client(), stdin=open(path("query%d.sql" % w)), stdout=subprocess.DEVNULL))
        if any(j.wait() for j in jobs):
            sys.exit("bench: the checksum query failed")
        return time.monotonic() - begun

    def inspector():
        conf = path("sync_diff.toml")
        with open(conf, "w") as f:
            f.write('check-thread-count = 4\nexport-fix-sql = false\n')
            for name, s in ("a", x), ("b", y):
                f.write('[data-sources.%s]\nhost = "127.0.0.1"\nport = %d\nuser = "root"\npassword = ""\n' % (name, s.port))
            f.write('[task]\noutput-dir = "%s"\nsource-instances = ["a"]\ntarget-instance = "b"\ntarget-check-tables = ["sbtest.*"]\n'
                    % path("sync_diff_%d" % time.monotonic_ns()))
        return Run(["sync_diff_inspector", "--config=" + conf]).seconds

    peers = [("its checksum query, alone", query)] + ([("sync_diff_inspector", inspector)] if shutil.which("sync_diff_inspector") else [])
    query()
    for name, peer in peers:
        f = Figure("compare, 2 × 1,000,000 rows", "s", name, 3)
        rss = []
        for i in each_pair():
            theirs = peer()
            r = Run([drtest, "diff", "--a", x.uri(), "--b", y.uri()])
            rss.append(r.rss)
            f.add(r.seconds, theirs)
        f.notes.append("%.0f MiB resident" % max(rss))
        tell(f)
    if len(peers) == 1:
        rows[-1].notes.append("sync_diff_inspector is not on PATH")
    x.stop()
    y.stop()


def dump_and_restore(f, x, y, floor=None):
    bare = []
    for i in each_pair():
        for s in (y,):
            s.sql("DROP DATABASE IF EXISTS sbtest")
        shutil.rmtree(path("dump"), ignore_errors=True)
        theirs = Run(["mydumper", "-h", "127.0.0.1", "-P", str(x.port), "-u", "root", "-B", "sbtest", "-c", "-t", "4", "-o", path("dump")]).seconds
        theirs += Run(["myloader", "-h", "127.0.0.1", "-P", str(y.port), "-u", "root", "-d", path("dump"), "-t", "4"]).seconds
        y.sql("DROP DATABASE IF EXISTS sbtest")
        shutil.rmtree(path("backup"), ignore_errors=True)
        b = Run([drtest, "backup", "--source-uri", x.uri(), "--storage", "file://" + path("backup"), "--workers", "4"])
        r = Run([drtest, "restore", "--target-uri", y.uri(), "--storage", "file://" + path("backup"), "--workers", "4"])
        f.add(b.seconds + r.seconds, theirs)
        if floor:
            y.sql("DROP DATABASE sbtest", "CREATE DATABASE sbtest")
            bare.append(floor())
    f.notes.append("%.0f MiB resident" % max(b.rss, r.rss))
    if bare:
        f.notes.append("floor: %s s for CREATE TABLE and INSERT alone, by 4 clients that read nothing" % digits(statistics.median(bare)))
    tell(f)


def backup():
    x = million("c")
    y = Server("d", *BINLOG, *DURABLE)
    dump_and_restore(Figure("backup and restore, 1,000,000 rows", "s", "mydumper -c, myloader", 2.5), x, y)
    x.stop()
    y.stop()


CREATE = "CREATE TABLE sbtest.t%d (id INT PRIMARY KEY, v INT, KEY (v))"
INSERT = "INSERT INTO sbtest.t%d VALUES (1, 2), (3, 4)"


def tables():
    n = 2000
    x, y = Server("many", *BINLOG, *DURABLE), Server("many2", *BINLOG, *DURABLE)
    x.sql("CREATE DATABASE sbtest", *[CREATE % i for i in range(n)], *[INSERT % i for i in range(n)])
    made = [path("made%d.sql" % k) for k in range(4)]
    for k, name in enumerate(made):
        with open(name, "w") as f:
            f.write("SET sql_log_bin=0;\n" + "".join(CREATE % i + ";\n" for i in range(k, n, 4)) + "BEGIN;\n" + "".join(INSERT % i + ";\n" for i in range(k, n, 4)) + "COMMIT;\n")

    def floor():
        begun, clients = time.monotonic(), [subprocess.Popen(y.client(), stdin=open(name)) for name in made]
        if any(c.wait() for c in clients):
            sys.exit("bench: the tables were not made")
        return time.monotonic() - begun

    dump_and_restore(Figure("backup and restore, %d tables" % n, "s", "mydumper -c, myloader", 2.5), x, y, floor)
    x.stop()
    y.stop()


# ---- changefeed

def find_minio():
    for p in os.environ.get("DRTEST_MINIO"), shutil.which("minio"), os.path.expanduser("~/.cache/drtest/bin/minio"):
        if p and os.path.exists(p):
            return p
    return None


def sample(ms, seq):
    record = struct.pack("<QQ", ms, seq)
    return record + struct.pack("<Q", xxhash.xxh3_64_intdigest(record))


def feed():
    n = 60000  # a changefeed is sustained when its start and its last flush no longer count
    s = Server("feed-template", *BINLOG, *DURABLE)
    s.sql("CREATE DATABASE sbtest")
    where = ["--mysql-host=127.0.0.1", "--mysql-user=root", "--tables=3", "--table-size=10000"]
    Run([drtest, "load", "oltp_write_only", "prepare", "--mysql-port=%d" % s.port, *where])
    s.sql("RESET MASTER")
    s.stop()
    x = Server("feed-source", *BINLOG, "--innodb-flush-log-at-trx-commit=0", template="feed-template")
    x.sql("CREATE USER r@'127.0.0.1' IDENTIFIED BY 'r'", "GRANT REPLICATION SLAVE ON *.* TO r@'127.0.0.1'", "FLUSH BINARY LOGS")
    begin = x.sql("SELECT @@gtid_binlog_pos")[0][0]
    first_log = x.sql("SHOW MASTER STATUS")[0][0]
    Run([drtest, "load", "oltp_write_only", "run", "--mysql-port=%d" % x.port, *where, "--threads=10", "--events=%d" % n])
    end = x.sql("SELECT @@gtid_binlog_pos")[0][0]
    now_ms = int(time.time() * 1000)
    with open(path("tso.map"), "wb") as f:
        f.write(sample(now_ms - 60000, int(begin.split("-")[2])))
        f.write(sample(now_ms - 1000, int(end.split("-")[2])))
        f.write(sample(now_ms - 900, int(end.split("-")[2])))
    last = ((now_ms - 1000) << 18) + int(end.split("-")[2]) - int(begin.split("-")[2])
    minio, store, key = find_minio(), None, "drtestbench"
    if minio:
        port = servers.free_port()
        os.makedirs(path("minio", "redo"))
        store = subprocess.Popen([minio, "server", "--quiet", "--address=127.0.0.1:%d" % port, path("minio")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=dict(os.environ, MINIO_ROOT_USER=key, MINIO_ROOT_PASSWORD=key, HOME=path()))
        servers.running.append(store)
        time.sleep(2)

    def ours(i):
        s = Server("feed-run", *BINLOG, *DURABLE, template="feed-template")
        status = path("feed%d.json" % i)
        where = "s3://redo/run%d?endpoint=http://127.0.0.1:%d&access-key=%s&secret-access-key=%s" % (i, port, key, key) if minio else "file://" + path("redo%d" % i)
        begun = time.monotonic()
        p = subprocess.Popen([drtest, "feed", "--source-uri", x.uri(), "--sink-uri", s.uri(), "--storage", where, "--start-ts", str((now_ms - 60000) << 18),
                              "--tso-map", path("tso.map"), "--id", "bench%d" % i, "--status", status], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        st = {}
        while int(st.get("checkpoint_ts", 0)) < last or int(st.get("resolved_ts", 0)) < last:
            if p.poll() is not None:
                sys.exit("bench: the changefeed ended: %s" % p.stdout.read()[-400:])
            if time.monotonic() - begun > 600:
                sys.exit("bench: the changefeed does not arrive: %s" % st)
            time.sleep(0.02)
            try:
                st = json.load(open(status))
            except (OSError, ValueError):
                pass
        took = time.monotonic() - begun
        p.send_signal(signal.SIGTERM)
        p.wait()
        s.stop()
        return took

    def pipe():
        s = Server("feed-run", *BINLOG, *DURABLE, template="feed-template")
        r = Run("mariadb-binlog --no-defaults %s | %s" % (" ".join(os.path.join(x.data, l) for l in logs), " ".join(s.client())), shell=True)
        s.stop()
        return r.seconds

    def replica():
        s = Server("feed-run", *BINLOG, *DURABLE, "--server-id=77", "--slave-parallel-threads=4", "--slave-parallel-mode=optimistic", template="feed-template")
        begun = time.monotonic()
        s.sql("SET GLOBAL gtid_slave_pos = '%s'" % begin, "CHANGE MASTER TO master_host='127.0.0.1', master_port=%d, master_user='r', master_password='r', "
              "master_use_gtid=slave_pos" % x.port, "START SLAVE")
        arrived = s.sql("SELECT MASTER_GTID_WAIT('%s', 600)" % end)[0][0]
        took = time.monotonic() - begun
        if arrived != 0:
            sys.exit("bench: the replica did not arrive: %s" % (s.sql("SHOW SLAVE STATUS"),))
        s.sql("STOP SLAVE")
        s.stop()
        return took

    logs = [r[0] for r in x.sql("SHOW BINARY LOGS") if r[0] >= first_log]
    one = Figure("changefeed, %d transactions, log durable" % n, "/s", "mariadb-binlog | mariadb", 3, "more")
    two = Figure("the same", "/s", "MariaDB replica, 4 threads", 1, "more")
    for i in each_pair():
        p, r, o = pipe(), replica(), ours(i)
        one.add(n / o, n / p)
        two.add(n / o, n / r)
    one.notes.append("redo log in MinIO" if minio else "no MinIO: redo log in a directory")
    tell(one)
    tell(two)
    x.stop()
    if store:
        servers.running.remove(store)
        store.terminate()
        store.wait()


# ---- the drill

def drill():
    wall = Figure("the drill, 20 s of soak", "s", "goal of 40 s", 1)
    rto = Figure("its RTO", "s", "goal of 0.2 s", 1)
    for i in each_pair():
        r = Run([drtest, "run", "scenarios/failover.lua", "--seed", str(100 + i), "--out", path("runs")])
        run = sorted(os.listdir(path("runs")))[-1 - (sorted(os.listdir(path("runs")))[-1] == "history.db")]
        result = json.load(open(path("runs", run, "result.json")))
        wall.add(r.seconds, 40)
        rto.add(result["rto"]["service_ms"] / 1000, 0.2)
    tell(wall)
    tell(rto)


FIGURES = {"hot": hot, "wide": wide, "load": load, "compare": compare, "backup": backup, "tables": tables, "feed": feed, "drill": drill}


def write_page():
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    with open(opt.page, "w") as f:
        f.write("# Ratios\n\n%s; %d processors (%s); MariaDB %s; %d pairs, in turn; × : how many times better than the peer, median of the pairs.\n\n"
                % (time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), os.cpu_count(), cpu,
                   subprocess.run(["mariadbd", "--version"], capture_output=True, text=True).stdout.split("Ver ")[1].split()[0], opt.pairs))
        f.write("| figure | drtest | peer | which | ratio | pairs | goal | | |\n|---|---|---|---|---|---|---|---|---|\n")
        for r in rows:
            if r.pairs:
                f.write("| " + " | ".join(c.replace("|", "\\|") for c in r.cells()) + " |\n")


try:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    for name in opt.only.split(",") if opt.only else FIGURES:
        if name not in FIGURES:
            sys.exit("bench: no figure '%s': %s" % (name, ", ".join(FIGURES)))
        FIGURES[name]()
        write_page()
    print("bench: %s" % opt.page)
finally:
    servers.end()
