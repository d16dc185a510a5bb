"""Servers and clocks of `make bench`: MariaDB servers below one directory that goes with them, copies of a template's data, and commands with
their wall time, CPU and resident memory."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pymysql

scratch = tempfile.mkdtemp(prefix="drtest-bench.", dir="/var/tmp")
os.chmod(scratch, 0o755)
running = []
AS = ["--user=nobody"] if os.getuid() == 0 else []
DURABLE = ["--innodb-flush-log-at-trx-commit=1"]
MEASURED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "measured.py")
BINLOG = ["--log-bin=bin", "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL"]


def end():
    for p in running:
        p.kill()
        p.wait()
    shutil.rmtree(scratch, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def path(*names):
    return os.path.join(scratch, *names)


def owned(directory):
    os.makedirs(directory, exist_ok=True)
    if AS:
        shutil.chown(directory, "nobody")
    return directory


class Server:
    """A MariaDB over a directory of data; with template, over a copy of another's."""

    def __init__(self, name, *options, template=None):
        self.data, self.port = path(name), free_port()
        shutil.rmtree(self.data, ignore_errors=True)
        tmp = owned(path("tmp"))
        if template:
            subprocess.run(["cp", "-a", "--reflink=auto", path(template), self.data], check=True)
        else:
            owned(self.data)
            made = subprocess.run(["mariadb-install-db", "--no-defaults", *AS, "--datadir=" + self.data, "--tmpdir=" + tmp,
                                   "--auth-root-authentication-method=normal", "--skip-test-db"], capture_output=True, text=True)
            if made.returncode:
                sys.exit("bench: mariadb-install-db: " + made.stderr[-400:])
        self.log = open(path(name + ".log"), "ab")
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", *AS, "--datadir=" + self.data, "--tmpdir=" + tmp, "--port=%d" % self.port, "--bind-address=127.0.0.1",
             "--socket=" + os.path.join(self.data, "s"), "--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M", "--performance-schema=OFF",
             "--gtid-domain-id=0", "--server-id=%d" % (len(running) + 1), "--max-connections=4000", "--local-infile=ON", *options],
            stdout=self.log, stderr=self.log)
        running.append(self.process)
        for _ in range(600):
            try:
                self.sql("SELECT 1")
                return
            except pymysql.err.OperationalError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        sys.exit("bench: mariadbd did not start: see %s" % open(path(name + ".log")).read()[-400:])

    def sql(self, *statements):
        with pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True) as c, c.cursor() as q:
            for s in statements:
                q.execute(s)
            return q.fetchall()

    def uri(self):
        return "mysql://root@127.0.0.1:%d" % self.port

    def client(self, *more):
        return ["mariadb", "--no-defaults", "-h127.0.0.1", "-P%d" % self.port, "-uroot", "-N", *more]

    def cpu(self):
        fields = open("/proc/%d/stat" % self.process.pid).read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process in running:
            running.remove(self.process)
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()


class Run:
    """A command that has run: seconds, cpu, rss (MiB), out. It ends the bench when it fails, but for the codes in may."""

    def __init__(self, argv, may=(0,), shell=False, stdin=None):
        command = ["bash", "-c", argv] if shell else argv
        p = subprocess.run([sys.executable, "-ISs", MEASURED, path("measured"), *command], stdin=stdin, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        self.out = p.stdout
        if p.returncode not in may:
            sys.exit("bench: %s: exit %d: %s" % (" ".join(command), p.returncode, self.out[-600:]))
        self.seconds, self.cpu, self.rss = (float(x) for x in open(path("measured")).read().split())
        self.rss /= 1024

    def find(self, pattern):
        return float(re.search(pattern, self.out).group(1))
