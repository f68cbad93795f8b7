"""Offers more than a replica can answer, or more than one caller may ask, and shows what becomes of it;
`make bench-overload` runs it.

A caller that waits for its answer before it asks again slows down with the server, and so never shows an overload. Here
calls come at their rate, whatever becomes of those before, and an answer counts when it comes within 2 s.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess

import wire
from bench import Bench, spread
from stage import LIMITS, LOAD_CORE, Stage, Tls, run

HEAD = ("#", "what", "goal", "result", "details")
TIMES = 5
CONNECTIONS = 32
# A database that takes its time, and is not busy.
LATE_MS = 50
# So often whoever floods may call in a minute, and by so much it does more.
FLOODER_PER_MINUTE, FLOOD_TIMES = 18_000, 20
OTHERS_RATE = 500


def flooding(port, requests, rate, seconds, tls=None, name="caller"):
    # Who floods gives way on the core of the load: its own work must not look like the server's.
    argv = ["nice", "-n", "19" if name == "flooder" else "0"]
    argv += ["taskset", "-c", LOAD_CORE, LIMITS, "flood", wire.address(port, tls)]
    argv += ["ListChallenges", requests, CONNECTIONS, rate, seconds]
    env = tls.caller(name) if tls else {}
    return subprocess.Popen([str(part) for part in argv], env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)


def told(program):
    answer = program.communicate()[0]
    if program.returncode:
        raise SystemExit(f"{program.args} ended with {program.returncode}")
    return json.loads(answer)


def ms(micros):
    return f"{micros / 1000:.1f} ms"


def middle(rounds, key):
    return statistics.median(one[key] for one in rounds)


def overload(bench, product, requests, what, callers):
    """O1 to O5: five times what so many callers get who wait for each answer."""
    closed, peaks, rounds, resident = bench.many(product.port, requests, 4, callers // 4), [], [], [product.resident_mib()]
    for _ in range(bench.pairs):
        peaks.append(closed(bench.seconds)[0])
        rounds.append(told(flooding(product.port, requests, int(peaks[-1] * TIMES), bench.seconds)))
        resident.append(product.resident_mib())
    goodput = [one["good"] / peak for one, peak in zip(rounds, peaks)]
    offered = [one["offered"] / peak for one, peak in zip(rounds, peaks)]
    lost = {}
    for one in rounds:
        for problem, count in one["other"].items():
            lost[problem] = lost.get(problem, 0) + count
    peak = statistics.median(peaks)
    bench.add(
        "O1", f"{what}: good answers at {statistics.median(offered):.1f} × the peak of {peak:.0f}/s, to the peak", "≥ 0.80",
        spread(goodput), f"p50 {ms(middle(rounds, 'good_p50_us'))}, p99 {ms(middle(rounds, 'good_p99_us'))}",
    )
    bench.add(
        "O2", "a refusal with its pause, p99", "< 10 ms", f"**{ms(middle(rounds, 'shed_p99_us'))}**",
        f"p50 {ms(middle(rounds, 'shed_p50_us'))}, {middle(rounds, 'shed'):.0f} a second",
    )
    bench.add(
        "O3", "health meanwhile, p99", "< 50 ms", f"**{ms(middle(rounds, 'health_p99_us'))}**",
        f"slowest {ms(max(one['health_max_us'] for one in rounds))}",
    )
    details = "; ".join(f"{count} × {problem}" for problem, count in lost.items())
    bench.add("O4", "calls that got neither", "0", f"**{sum(lost.values())}**", details)
    bench.add("O5", "memory before, and the most after a round", "bounded", f"{resident[0]:.0f}, **{max(resident):.0f} MiB**", "")


def busy(bench, env):
    """Reads that no cache has, from a SQLite file: what they cost is in the replica."""
    stage = bench.stage
    database = f"sqlite:{stage.folder}/catalog.sqlite"
    stage.seed(database, 600)
    product = stage.product(database, {"CATALOG_NEAR_CACHE_BYTES": "1MiB", **env})
    requests = stage.folder / "busy.req"
    run([LIMITS, "walk", f"127.0.0.1:{product.port}", requests])
    overload(bench, product, requests, "misses, SQLite", 64)
    product.end()


def late(bench, env):
    """Reads of a PostgreSQL whose every word comes late: the replica waits, and has nothing to do."""
    stage = bench.stage
    url = stage.postgres()
    stage.seed(url, 600)
    port = url.rpartition(":")[2].partition("/")[0]
    proxy = stage.limit("lag", f"127.0.0.1:{port}", LATE_MS)
    late_url = url.replace(f":{port}/", f":{proxy.port}/")
    product = stage.product(late_url, {"CATALOG_NEAR_CACHE_BYTES": "1MiB", **env})
    requests = stage.folder / "late.req"
    # Of a replica without that delay: page tokens are those of the database.
    swift = stage.product(url)
    run([LIMITS, "walk", f"127.0.0.1:{swift.port}", requests])
    swift.end()
    overload(bench, product, requests, f"misses, PostgreSQL that answers {LATE_MS} ms late", 24)
    product.end(), proxy.end()


def cost_us(server, program, seconds):
    """CPU of the server for each call of a program that floods, in µs."""
    before = server.cpu_seconds()
    one = told(program)
    # The warm-up of a second is in the CPU time.
    calls = (one["good"] + one["shed"]) * (seconds + 1)
    return (server.cpu_seconds() - before) * 1e6 / max(calls, 1)


def flood(bench):
    """P1 to P3: a principal that calls twenty times as often as it may, beside one that does not, over TLS."""
    stage = bench.stage
    per_minute = lambda count: f"requests_per_minute = {count}"
    tls = stage.tls(Tls.entry("flooder", per_minute(FLOODER_PER_MINUTE)) + Tls.entry("refused", per_minute(1)))
    database = f"sqlite:{stage.folder}/flood.sqlite"
    stage.seed(database, 600)
    product = stage.secure(tls, database, {"CATALOG_NEAR_CACHE_BYTES": "1MiB"})
    hot = stage.file("hot.req", wire.frame(wire.message()))
    cold = stage.folder / "cold.req"
    run([LIMITS, "walk", wire.address(product.port, tls), cold], tls.caller())
    seconds, rate = bench.seconds, FLOODER_PER_MINUTE * FLOOD_TIMES // 60
    alone, beside, flooder = [], [], []
    for _ in range(bench.pairs):
        alone.append(told(flooding(product.port, hot, OTHERS_RATE, seconds, tls)))
        other = flooding(product.port, hot, rate, seconds + 1, tls, "flooder")
        beside.append(told(flooding(product.port, hot, OTHERS_RATE, seconds, tls)))
        flooder.append(told(other))
    ratios = [with_flood["good_p99_us"] / without["good_p99_us"] for with_flood, without in zip(beside, alone)]
    bench.add(
        "P1", f"others' p99, {OTHERS_RATE} near hits a second, beside a principal at {FLOOD_TIMES} × its rate, to without", "≤ 1.5",
        spread(ratios), f"{middle(alone, 'good_p99_us') / 1000:.2f} and {middle(beside, 'good_p99_us') / 1000:.2f} ms",
    )
    bad = sum(sum(one["other"].values()) for one in flooder + beside)
    bench.add(
        "P2", f"who floods, {rate} calls a second: calls that got neither an answer nor a pause", "0", f"**{bad}**",
        f"answers {middle(flooder, 'good'):.0f}, refusals {middle(flooder, 'shed'):.0f} a second; refusal p99 {ms(middle(flooder, 'shed_p99_us'))}",
    )
    costs = {"refused": [], "hot": [], "cold": []}
    # At one rate, so that as many come together.
    rate = 2_000
    for _ in range(bench.pairs):
        for name, who, requests in (("refused", "refused", hot), ("hot", "caller", hot), ("cold", "caller", cold)):
            costs[name].append(cost_us(product, flooding(product.port, requests, rate, seconds, tls, who), seconds))
    parts = {name: [refusal / answer for refusal, answer in zip(costs["refused"], costs[name])] for name in ("hot", "cold")}
    us = {name: statistics.median(all) for name, all in costs.items()}
    bench.add(
        "P3", "CPU of a refusal, to that of an answer: a miss", "≤ 0.10", spread(parts["cold"]),
        f"refusal {us['refused']:.0f} µs, miss {us['cold']:.0f} µs",
    )
    bench.add("P3", "the same: a near hit", "", spread(parts["hot"]), f"near hit {us['hot']:.0f} µs")
    product.end()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="3 rounds of 2 s instead of 5 of 8 s")
    options.add_argument("--only", default="busy,late,flood", help="of what: busy (SQLite), late (PostgreSQL), flood")
    options.add_argument("--max-calls", default="", help="CATALOG_MAX_CALLS, if not the default")
    options.add_argument("--no-save", action="store_true", help="print only")
    given = options.parse_args()
    env = {"CATALOG_MAX_CALLS": given.max_calls} if given.max_calls else {}
    with Stage() as stage:
        bench = Bench(stage, *((3, 2) if given.quick else (5, 8)))
        bench.head(HEAD)
        only = given.only.split(",")
        if "busy" in only:
            busy(bench, env)
        if "late" in only:
            late(bench, env)
        if "flood" in only:
            flood(bench)
    if not given.no_save:
        bench.save(f"overload-{datetime.date.today()}.md")


if __name__ == "__main__":
    main()
