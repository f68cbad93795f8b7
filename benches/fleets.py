"""F1, F2, C1, C2: how soon a fleet knows what was written, and what it costs its database to tell."""

import json
import statistics
import time

import wire
from bench import spread
from postgres import Writers, cpu_seconds
from stage import LIMITS, run
from watched import add

# Not the row that is looked at.
OTHER_ROW = """\\set row random(2, 1000)
\\set word random(1, 1000000000)
UPDATE public.approach_challenges SET title = 'Title ' || :word WHERE id = md5(:row::text)::uuid;
"""
# Many replicas on few cores take their time to connect.
MANY_REPLICAS = {"CATALOG_DB_POOL_MIN": "1", "CATALOG_DB_POOL_MAX": "4", "CATALOG_DB_ACQUIRE_TIMEOUT": "30s"}
AT_ONCE = 5


class Fleet:
    """Replicas of one release, with a PostgreSQL of their own, and with Redis where they share a cache."""

    def __init__(self, bench, binary, size, env, redis=True):
        stage = bench.stage
        self.url, self.postgres = stage.cluster("max_connections=600")
        run([binary, "migrate", "up", "--database-url", self.url])
        self.id = stage.grow(self.url, 1000)[0]
        env = {**env, **({"REDIS_URL": stage.redis()} if redis else {})}
        self.replicas = []
        while len(self.replicas) < size:
            more = range(min(AT_ONCE, size - len(self.replicas)))
            starting = [stage.product(self.url, env, ready=False, binary=binary) for _ in more]
            for replica in starting:
                stage.until_serving(replica, binary)
            self.replicas += starting
        self.writers = Writers(self.url, stage.file("other_row.sql", OTHER_ROW.encode()))

    def end(self):
        for process in [*self.replicas, self.postgres]:
            process.end()


def fours(bench):
    return {name: Fleet(bench, binary, 4, {}) for name, binary in bench.releases.items()}


def seen(bench, fleets):
    """F1: a commit of plain SQL, until every replica answers with it."""
    for background, bar in ((0, "p50 ≤ 5 ms, p99 ≤ 50 ms"), (1000, "p99 ≤ 600 ms")):
        delays, rates = {name: [] for name in fleets}, {name: [] for name in fleets}
        for _ in range(bench.pairs):
            for name, fleet in fleets.items():
                seconds = 2.5 * bench.seconds
                if not background:
                    delays[name] += commits(fleet, seconds)
                    continue
                with fleet.writers.beside(8, round(seconds + 2), background) as written:
                    time.sleep(1)
                    delays[name] += commits(fleet, seconds)
                    rates[name].append(written().rate)
        cells, figures = {}, {}
        for name, all in delays.items():
            known, sent = (sorted(times) for times in zip(*all))
            cells[name] = f"p50 **{statistics.median(known):.1f}**, p99 **{p99(known):.1f} ms**"
            figures[name] = f"{len(all)} commits, at most {known[-1]:.0f} ms; from sending it p50 {statistics.median(sent):.1f}"
            if background:
                figures[name] += f", beside {statistics.median(rates[name]):.0f} a second"
        beside = f", and {background} a second by others" if background else ""
        what = f"commit to all of 4 replicas answer with it, 10 a second{beside}"
        add(bench, "F1", what, bar, cells, figures)


def commits(fleet, seconds):
    """How long each took since its commit was known, and since it was sent, in milliseconds; ten a second."""
    addrs = ",".join(f"127.0.0.1:{replica.port}" for replica in fleet.replicas)
    told = run([LIMITS, "seen", addrs, fleet.url, fleet.id, round(10 * seconds), 100])
    return [(known / 1000, sent / 1000) for known, sent in json.loads(told)]


def p99(figures):
    return sorted(figures)[len(figures) * 99 // 100]


def receipts(bench, fleets):
    """F2: a proof that all have forgotten."""
    took = {name: [] for name in fleets}
    for number in range(40 * bench.pairs):
        for name, fleet in fleets.items():
            took[name].append(wire.receipt_ms(fleet.replicas[number % 4].port, 4))
    cells, figures = {}, {}
    for name, all in took.items():
        cells[name] = f"p50 **{statistics.median(all):.1f} ms**"
        figures[name] = f"{len(all)}, p99 {p99(all):.1f} ms"
    add(bench, "F2", "invalidate to receipt, 4 replicas", "p50 ≤ 10 ms", cells, figures)


def cost(bench, row, size, rate):
    """C1, C2: CPU of the whole PostgreSQL, idle and by the commit."""
    idle, commit = {name: [] for name in bench.releases}, {name: [] for name in bench.releases}
    for _ in range(max(1, bench.pairs // 2)):
        for name, binary in bench.releases.items():
            fleet = Fleet(bench, binary, size, MANY_REPLICAS, redis=False)
            cores, ms = spent(fleet, rate, 4 * bench.seconds)
            idle[name].append(cores)
            commit[name].append(ms)
            fleet.end()
    beside = f"{size} replicas" if size > 1 else "1 replica"
    told(bench, row, f"CPU of PostgreSQL, {beside}, nobody writes", idle, "cores", 4)
    told(bench, row, f"CPU of PostgreSQL by the commit, {beside}, {rate} commits a second", commit, "ms", 2)


def spent(fleet, rate, seconds):
    """Cores while nothing happens, and milliseconds that each commit takes above that."""
    # Replicas warm up, and PostgreSQL writes what was migrated.
    time.sleep(5)
    before = cpu_seconds(fleet.postgres)
    began = time.monotonic()
    time.sleep(seconds)
    cores = (cpu_seconds(fleet.postgres) - before) / (time.monotonic() - began)
    before = cpu_seconds(fleet.postgres)
    began = time.monotonic()
    commits = fleet.writers.write(1, round(seconds), rate).commits
    # What the last commits set off.
    time.sleep(1)
    passed = time.monotonic() - began
    used = cpu_seconds(fleet.postgres) - before - cores * passed
    return cores, used / commits * 1000


def told(bench, row, what, measured, unit, digits):
    cells = {name: f"**{statistics.median(all):.{digits}f}** {unit}" for name, all in measured.items()}
    if "before" in measured:
        part = spread([a / b for a, b in zip(measured["this"], measured["before"])])
        cells["this"] += f", {part} of before"
    figures = {name: f"{min(all):.{digits}f} to {max(all):.{digits}f} {unit}" for name, all in measured.items()}
    add(bench, row, what, "≤ 0.25 of before", cells, figures)


def rows(bench, only):
    if {"F1", "F2"} & only:
        fleets = fours(bench)
        if "F1" in only:
            seen(bench, fleets)
        if "F2" in only:
            receipts(bench, fleets)
        for fleet in fleets.values():
            fleet.end()
    if "C1" in only:
        cost(bench, "C1", 1, 10)
        cost(bench, "C1", 25, 10)
    if "C2" in only:
        cost(bench, "C2", 50, 50)
