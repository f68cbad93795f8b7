"""Two servers that take turns, and the table that comes of it."""

import datetime
import json
import pathlib
import platform
import statistics

import wire
from stage import LIMITS, LOAD_CORE, ROOT, run


def grpc_headers():
    return ["-H", "content-type: application/grpc", "-H", "te: trailers"]


class Sample:
    def __init__(self, rate, p99_us, cpu_us):
        self.rate, self.p99_us, self.cpu_us = rate, p99_us, cpu_us


class Side:
    """One server and the way to load it."""

    def __init__(self, server, load, check=None):
        self.server, self.load, self.check = server, load, check

    def sample(self, seconds):
        if self.check:
            self.check()
        before = self.server.cpu_seconds()
        rate, p99_us, answers = self.load(seconds)
        return Sample(rate, p99_us, (self.server.cpu_seconds() - before) * 1e6 / max(answers, 1))


def spread(ratios, digits=2):
    """The median, and how far to trust it."""
    return f"**{statistics.median(ratios):.{digits}f}** ({min(ratios):.{digits}f} to {max(ratios):.{digits}f})"


def cpu():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


class Bench:
    def __init__(self, stage, pairs, seconds, before=None):
        """`before` is a build of the release before, where there is one to compare with."""
        self.stage, self.pairs, self.seconds, self.before = stage, pairs, seconds, before
        self.lines = []

    def head(self, cells):
        """Where and when this was measured, and the table's head."""
        load = pathlib.Path("/proc/loadavg").read_text().split()[0]
        commit = run(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip()
        self.print(
            f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, {cpu()}, Linux {platform.release()}, "
            f"{self.pairs} pairs of {self.seconds} s, load average {load}, commit {commit}"
        )
        self.print("")
        self.add(*cells)
        self.print("|" + "---|" * len(cells))

    def save(self, name):
        results = ROOT / "benches/results"
        results.mkdir(exist_ok=True)
        (results / name).write_text("\n".join(self.lines) + "\n")

    def h2load(self, port, path, request, extra=(), tls=None):
        """25 streams on each of 4 connections; h2load counts HTTP status only, so calls are checked before."""
        log = self.stage.folder / "h2load.log"
        token = ["-H", f"authorization: Bearer {tls.token('caller')}"] if tls else []
        server = f"{'https' if tls else 'http'}://127.0.0.1:{port}"

        def load(seconds):
            log.unlink(missing_ok=True)
            text = run(
                ["taskset", "-c", LOAD_CORE, "h2load", "-D", seconds, "--warm-up-time=1", "-t", 1]
                + list(extra or ["-c", 4, "-m", 25])
                + (["-d", request, *grpc_headers()] if request else [])
                + [*token, f"--log-file={log}", f"{server}{path}"]
            )
            rate, answers, failed = wire.h2load_summary(text)
            if failed:
                raise SystemExit(f"{failed} calls failed:\n{text}")
            micros = sorted(int(line.split(b"\t")[2]) for line in log.read_bytes().splitlines())
            # The log has the warm-up too, and so has the CPU time.
            return rate, micros[len(micros) * 99 // 100], len(micros)

        return load

    def many(self, port, requests, connections=4, streams=25, method="ListChallenges"):
        """Many different requests; that tool checks every status."""

        def load(seconds):
            argv = ["taskset", "-c", LOAD_CORE, LIMITS, "load", f"127.0.0.1:{port}", method, requests]
            told = json.loads(run([*argv, connections, streams, seconds]))
            self.max_us = told["max_us"]
            self.from_near = told["from_near"] / told["answers"]
            # The warm-up of one second is in the CPU time.
            return told["rate"], told["p99_us"], told["answers"] * (seconds + 1) / seconds

        return load

    def compare(self, row, what, goal, ours, theirs):
        samples = []
        for _ in range(self.pairs):
            samples.append((ours.sample(self.seconds), theirs.sample(self.seconds)))
        ratio = lambda of: [of(a) / of(b) for a, b in samples]
        rates, p99s = ratio(lambda s: s.rate), ratio(lambda s: s.p99_us)
        cpus = [b.cpu_us / a.cpu_us for a, b in samples]
        middle = lambda side: statistics.median(pair[side].rate for pair in samples)
        self.add(
            row,
            what,
            goal,
            spread(rates),
            f"{statistics.median(cpus):.2f}",
            f"{statistics.median(p99s):.2f} × ({statistics.median(a.p99_us for a, _ in samples) / 1000:.1f} ms)",
            f"{middle(0):,.0f} / {middle(1):,.0f}".replace(",", " "),
        )

    def add(self, *cells):
        self.print("| " + " | ".join(cells) + " |")

    def print(self, line):
        self.lines.append(line)
        print(line, flush=True)
