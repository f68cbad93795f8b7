"""What other programs do with PostgreSQL: a session, many writers at once, and the CPU time that it takes."""

import contextlib
import os
import pathlib
import re
import select
import signal
import subprocess
import time

from stage import client, run


def sql(url, text):
    """What the statements give, as text."""
    return run([client("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", url, "-c", text]).strip()


def of(url, database):
    """The URL of another database of that server."""
    return f"{url.rpartition('/')[0]}/{database}"


class Session:
    """A program that keeps its connection, and may be left waiting."""

    def __init__(self, stage, url):
        argv = [client("psql"), "-XqAt", url]
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.sent, self.heard = 0, ""
        stage.processes.append(self)

    def send(self, statements):
        self.sent += 1
        self.heard = ""
        self.child.stdin.write(f"{statements};\n\\echo answered {self.sent}\n".encode())
        self.child.stdin.flush()

    def answered(self, seconds):
        """Whether what was sent is done within that time."""
        deadline = time.monotonic() + seconds
        while f"answered {self.sent}\n" not in self.heard:
            if not select.select([self.child.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                return False
            self.heard += os.read(self.child.stdout.fileno(), 65536).decode()
        return True

    def tell(self, statements):
        """Sends it and waits; gives what was answered, errors too."""
        self.send(statements)
        if not self.answered(60):
            raise SystemExit(f"no answer within a minute: {statements}")
        return self.heard.removesuffix(f"answered {self.sent}\n")

    def must(self, statements):
        answer = self.tell(statements)
        if "ERROR" in answer:
            raise SystemExit(f"{statements}: {answer}")
        return answer

    def ms(self, statements):
        """How long it takes."""
        began = time.monotonic()
        self.must(statements)
        return (time.monotonic() - began) * 1000

    def end(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()


class Written:
    """Transactions that were committed a second, how many, and the part of all that failed."""

    def __init__(self, rate, commits, failed):
        self.rate, self.commits, self.failed = rate, commits, failed


class Writers:
    """Many clients that each repeat one transaction; pgbench counts."""

    def __init__(self, url, script, isolation="read committed"):
        self.url, self.script = url, script
        escaped = isolation.replace(" ", "\\ ")
        self.env = {**os.environ, "PGOPTIONS": f"-c default_transaction_isolation={escaped}"}

    def argv(self, clients, seconds, rate=None):
        paced = ["--rate", rate] if rate else []
        argv = [client("pgbench"), "-n", "-c", clients, "-j", min(clients, 2), "-T", seconds, *paced]
        return [str(x) for x in [*argv, "-f", self.script, self.url]]

    def write(self, clients, seconds, rate=None):
        done = subprocess.run(self.argv(clients, seconds, rate), env=self.env, capture_output=True, text=True)
        return self.summary(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def beside(self, clients, seconds, rate):
        """Writes in the background; gives what waits for its end and tells what was written."""
        child = subprocess.Popen(
            self.argv(clients, seconds, rate), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            yield lambda: self.summary(None, *child.communicate())
        finally:
            child.kill()
            child.wait()

    def summary(self, code, out, errors):
        rate = re.search(r"^tps = ([\d.]+)", out, re.M)
        if code or not rate:
            raise SystemExit(f"pgbench: {out}{errors}")
        count = lambda what: int(re.search(rf"^number of {what}: (\d+)", out, re.M)[1])
        failed, done = count("failed transactions"), count("transactions actually processed")
        return Written(float(rate[1]), done, failed / max(done + failed, 1))


def cpu_seconds(postmaster):
    """What all processes of a server used so far: those that run, and those that its postmaster saw end."""
    pid = postmaster.child.pid
    ended = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = (int(ended[13]) + int(ended[14])) / os.sysconf("SC_CLK_TCK")
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for process in [pid, *children]:
        with contextlib.suppress(OSError):
            total += int(pathlib.Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
    return total
