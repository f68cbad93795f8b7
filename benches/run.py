"""Measures the product against its limits and prints one table; `make bench` runs it.

Every figure is a ratio of two servers that took turns (A B A B ...) on one core, with the load
generator on the other. The median is the result, the range says how far to trust it.
"""

import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import sys
import time

import tips
import wire
from bench import Bench, Side, grpc_headers
from stage import LIMITS, LOAD_CORE, ROOT, Stage, free_port, run

CATALOG = "/challenges.catalog.v1.ChallengesCatalog/"


# Of two releases that take turns.
NO_SLOWER = "≥ 0.97"
HEAD = ("#", "what", "goal", "answers/s, ratio", "CPU, ratio", "p99, ratio", "answers/s, ours / theirs")


def near_hits(bench, only):
    """S1, S2, S5, S6: the near cache, with everything that is on by default."""
    stage = bench.stage
    database = f"sqlite:{stage.folder}/catalog.sqlite"
    stage.seed(database, 50)
    product = stage.product(database)
    first = wire.call(product.port, "ListChallenges", wire.message())
    ids = wire.ids(first)
    sides = {}

    def side(name, method, message):
        """Ours, and the answer that the limit servers repeat."""
        request = stage.file(f"{name}.req", wire.frame(message))
        wire.call(product.port, method, message)  # The first is a miss, and says so.
        answer = wire.call(product.port, method, message)
        check = lambda: wire.same(answer, wire.call(product.port, method, message))
        ours = Side(product, bench.h2load(product.port, CATALOG + method, request), check)
        sides[name] = (ours, method, request, answer, message)
        return ours

    def limit(name, kind):
        _, method, request, answer, message = sides[name]
        file = stage.file(f"{name}.answer", wire.frame(answer))
        server = stage.limit(kind, file)
        check = lambda: wire.same(answer, wire.call(server.port, method, message))
        return Side(server, bench.h2load(server.port, CATALOG + method, request), check)

    side("list", "ListChallenges", wire.message())
    side("get", "GetChallenge", wire.message((1, ids[0])))
    side("batch", "BatchGetChallenges", wire.message(*((1, id) for id in ids)))
    side("unchanged", "ListChallenges", wire.message((4, wire.etag(first))))
    against = "hyper, ready bytes"
    if "S1" in only:
        bench.compare("S1", f"list of 50, near hit, vs {against}", "≥ 0.90", sides["list"][0], limit("list", "hyper"))
        bench.compare("S1", "the same vs stock tonic, ready bytes", "", sides["list"][0], limit("list", "tonic"))
    if "S2" in only:
        replaced(bench, sides["list"][0], first)
    if "S5" in only:
        bench.compare("S5", f"one by id, near hit, vs {against}", "≥ 0.90", sides["get"][0], limit("get", "hyper"))
        bench.compare("S5", f"50 by id, near hits, vs {against}", "≥ 0.90", sides["batch"][0], limit("batch", "hyper"))
    if bench.before:
        before = near_hits_before(bench, sides)
        for row, name, what in (("S1", "list", "list of 50"), ("S5", "get", "one by id"), ("S5", "batch", "50 by id")):
            if row in only:
                bench.compare(row, f"{what}, near hit, vs the release before", NO_SLOWER, sides[name][0], before(name))
    if "S6" in only:
        bench.compare("S6", "if_none_match hit vs S1", "≥ 1", sides["unchanged"][0], sides["list"][0])
    product.end()


def near_hits_before(bench, sides):
    """The release before, with the same catalog in a database of its own."""
    database = f"sqlite:{bench.stage.folder}/before.sqlite"
    bench.stage.seed(database, 50, bench.before)
    server = bench.stage.product(database, binary=bench.before)

    def side(name):
        _, method, request, _, message = sides[name]
        wire.call(server.port, method, message)
        check = lambda: wire.call(server.port, method, message)
        return Side(server, bench.h2load(server.port, CATALOG + method, request), check)

    return side


def secured(bench):
    """S9: a near hit over TLS with a token, against the same stack with the same kind of pair and ready bytes."""
    stage = bench.stage
    database = f"sqlite:{stage.folder}/secured.sqlite"
    stage.seed(database, 50)
    tls = stage.tls()
    product = stage.secure(tls, database)
    method, message = "ListChallenges", wire.message()
    wire.call(product.port, method, message, tls)
    answer = wire.call(product.port, method, message, tls)
    request = stage.file("secured.req", wire.frame(message))
    theirs = stage.limit("hyper", stage.file("secured.answer", wire.frame(answer)), tls.folder)

    def side(server):
        check = lambda: wire.same(answer, wire.call(server.port, method, message, tls))
        return Side(server, bench.h2load(server.port, CATALOG + method, request, tls=tls), check)

    what = "list of 50, near hit, over TLS with a token, vs hyper + tokio-rustls, ready bytes"
    bench.compare("S9", what, "≥ 0.90", side(product), side(theirs))
    product.end(), theirs.end()


def over_http(bench):
    """S10: a near hit as JSON, against hyper with ready bytes, and what has not changed against what is sent."""
    stage = bench.stage
    database = f"sqlite:{stage.folder}/http.sqlite"
    stage.seed(database, 50)
    http_port = free_port()
    product = stage.product(database, {"CATALOG_HTTP_ADDR": f"127.0.0.1:{http_port}"})
    path = "/v1/challenges"
    answer = wire.get(http_port, path)
    theirs = stage.limit("json", stage.file("http.json", answer.body))

    def side(server, port, extra):
        check = lambda: wire.equal(answer.body, wire.get(port, path).body)
        return Side(server, bench.h2load(port, path, None, extra), check)

    kept_alive, streams = ["--h1", "-c", 100, "-m", 1], ["-c", 4, "-m", 25]
    for what, extra in (("HTTP/1.1, kept alive", kept_alive), ("HTTP/2", streams)):
        ours, hyper = side(product, http_port, extra), side(theirs, theirs.port, extra)
        bench.compare("S10", f"list of 50 as JSON, near hit, {what}, vs hyper, ready bytes", "≥ 0.90", ours, hyper)
    unchanged = [*kept_alive, "-H", f"if-none-match: {answer.headers['etag']}"]
    check = lambda: wire.equal(304, wire.get(http_port, path, {"if-none-match": answer.headers["etag"]}).status)
    not_modified = Side(product, bench.h2load(http_port, path, None, unchanged), check)
    bench.compare("S10", "304 vs 200, HTTP/1.1", "> 1", not_modified, side(product, http_port, kept_alive))
    product.end(), theirs.end()


def replaced(bench, ours, answer):
    """S2: what callers had before; see benches/replaced."""
    stage, folder = bench.stage, ROOT / "benches/replaced"
    venv = ROOT / "target/bench-venv"
    if not (venv / "ready").exists():
        run([sys.executable, "-m", "venv", "--clear", venv])
        run([venv / "bin/pip", "install", "--quiet", "-r", folder / "requirements.txt"])
        (venv / "ready").touch()
    redis = stage.redis()
    port = free_port()
    argv = [venv / "bin/uvicorn", "--app-dir", folder, "app:app", "--port", port, "--log-level", "warning"]
    env = {"REDIS_URL": redis, "SEEDS": str(stage.folder / "seeds.json")}
    server = stage.start(argv, "0", port=port, env=env)
    load = bench.h2load(port, "/challenges", None, ["--h1", "-c", 100, "-m", 1])
    theirs = Side(server, load)
    bench.compare("S2", "list of 50, near hit, vs FastAPI + redis.asyncio", "≥ 30", ours, theirs)
    server.end()


def misses(bench, only):
    """S3, S4: hundreds of different pages, ten times what the near cache may hold."""
    stage = bench.stage
    url = stage.postgres()
    stage.seed(url, 600)
    small = {"CATALOG_NEAR_CACHE_BYTES": "1MiB"}
    requests = stage.folder / "many.req"
    if "S3" in only:
        redis = stage.redis()
        product = stage.product(url, {**small, "REDIS_URL": redis})
        run([LIMITS, "walk", f"127.0.0.1:{product.port}", requests, redis])
        theirs = stage.limit("redis", redis)
        sides = [Side(server, bench.many(server.port, requests)) for server in (product, theirs)]
        sides[0].sample(1)
        near = f"{bench.from_near:.0%} near hits among them"
        bench.compare("S3", f"lists of about 50, shared hit, vs tonic + GET; {near}", "≥ 0.90", *sides)
        if bench.before:
            shared_hits_before(bench, sides[0], small)
        product.end(), theirs.end()
    if "S4" in only:
        product = stage.product(url, small)
        run([LIMITS, "walk", f"127.0.0.1:{product.port}", requests])
        theirs = stage.limit("sql", url)
        sides = [Side(server, bench.many(server.port, requests)) for server in (product, theirs)]
        sides[0].sample(1)
        near = f"{bench.from_near:.0%} near hits among them"
        bench.compare("S4", f"lists of about 50, miss on both, vs tonic + SQL; {near}", "≥ 0.90", *sides)
        lone = Side(product, bench.many(product.port, requests, 1, 1)).sample(bench.seconds)
        bench.add("S4", "the same, one caller", "p99 ≤ 5 ms", "", "", f"{lone.p99_us / 1000:.2f} ms", f"{lone.rate:.0f}")


def shared_hits_before(bench, ours, small):
    """S3 of the release before, with a database and a Redis of its own; page tokens are those of its database."""
    stage = bench.stage
    url, redis = stage.postgres(), stage.redis()
    stage.seed(url, 600, bench.before)
    product = stage.product(url, {**small, "REDIS_URL": redis}, binary=bench.before)
    requests = stage.folder / "many_before.req"
    run([LIMITS, "walk", f"127.0.0.1:{product.port}", requests])
    before = Side(product, bench.many(product.port, requests))
    before.sample(1)
    bench.compare("S3", "lists of about 50, shared hit, vs the release before", NO_SLOWER, ours, before)
    product.end()


def footprint(bench):
    """S7: from start to SERVING with the database that the program makes itself, and memory."""
    stage, startup = bench.stage, []
    for number in range(bench.pairs):
        announced = stage.folder / f"port{number}"
        env = {"CATALOG_PORT_FILE": str(announced)}
        product = stage.product(f"sqlite:{stage.folder}/new{number}.sqlite", env, ready=False)
        product.wait_until(announced.exists)
        startup.append((time.monotonic() - product.started) * 1000)
        if number < bench.pairs - 1:
            product.end()
    idle = product.resident_mib()
    request = stage.file("list.req", wire.frame(wire.message()))
    url = f"http://127.0.0.1:{product.port}{CATALOG}ListChallenges"
    run(["taskset", "-c", LOAD_CORE, "h2load", "-n", 1_000_000, "-c", 4, "-m", 25, "-t", 1, "-d", request, *grpc_headers(), url])
    started = f"{statistics.median(startup):.0f} ms (to {max(startup):.0f})"
    bench.add("S7", "start to SERVING, new SQLite file, seeded", "≤ 100 ms", started, "", "", "")
    bench.add("S7", "resident memory, idle", "≤ 30 MiB", f"{idle:.1f} MiB", "", "", "")
    bench.add("S7", "resident memory after 10⁶ answers", "≤ 64 MiB", f"{product.resident_mib():.1f} MiB", "", "", "")


def herd(bench):
    """S8: a thousand callers of one cold key, at once, over three replicas."""
    stage = bench.stage
    url, redis = stage.postgres(), stage.redis()
    stage.seed(url, 600)
    # A Redis that a busy machine keeps from answering within 50 ms is passed over; that is another fact.
    env = {"REDIS_URL": redis, "CATALOG_REDIS_TIMEOUT": "5s"}
    replicas = [stage.product(url, env) for _ in range(3)]
    request = stage.file("cold.req", wire.frame(wire.varint(2 << 3) + wire.varint(37)))
    reads = lambda: sum(wire.database_reads(replica.port) for replica in replicas)
    before = reads()
    loads = [
        subprocess.Popen(
            ["h2load", "-n", str(callers), "-c", "4", "-m", "100", "-t", "1", "-d", request, *grpc_headers()]
            + [f"http://127.0.0.1:{replica.port}{CATALOG}ListChallenges"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for replica, callers in zip(replicas, (334, 333, 333))
    ]
    failed = [wire.h2load_summary(load.communicate()[0])[2] for load in loads]
    bench.add("S8", "statements for 1 000 callers of a cold key, 3 replicas", "1", f"**{reads() - before}** ({sum(failed)} calls failed)", "", "", "")
    for server in replicas:
        server.end()


def receipts(bench):
    """How long it takes to prove that a fleet of four has forgotten something."""
    stage = bench.stage
    url = stage.postgres()
    stage.seed(url, 50)
    replicas = [stage.product(url) for _ in range(4)]
    took = []
    for number in range(40 * bench.pairs):
        took.append(wire.receipt_ms(replicas[number % 4].port, len(replicas)))
    took.sort()
    bench.add("R", f"invalidate to receipt, 4 replicas, {len(took)} times, p50", "≤ 20 ms", f"**{statistics.median(took):.1f} ms**", "", f"{took[len(took) * 99 // 100]:.1f} ms", "")
    for server in replicas:
        server.end()


def many_keys(bench):
    """N: many more keys than the near cache may hold: what it takes, and whether somebody waits for an eviction.

    The same reads with next to no near cache tell what they take without one.
    """
    stage = bench.stage
    url, rows, bound_mib = stage.postgres(), 100_000, 32
    stage.seed(url, 50)
    ids = stage.grow(url, rows)
    batches = [wire.message(*((1, id) for id in ids[at : at + 100])) for at in range(0, rows, 100)]
    requests = stage.file("ids.req", b"".join(map(wire.frame, batches)))
    without_mib, _, slowest_without, _ = read_all(bench, url, requests, 1)
    with_mib, reads, slowest, (kept, evicted) = read_all(bench, url, requests, bound_mib)
    bench.add(
        "N",
        f"near cache of {bound_mib} MiB, {reads} reads of {rows} keys: {kept} kept, {evicted} evicted; memory without and with it",
        f"≤ {bound_mib - 1} MiB more",
        f"{without_mib:.1f}, {with_mib:.1f} MiB: **{with_mib - without_mib:.1f} MiB**",
        "",
        f"slowest near hit {slowest:.1f} ms, without {slowest_without:.1f} ms",
        "",
    )


def read_all(bench, url, requests, near_mib):
    """The most memory, how many reads, the slowest near hit of a list beside them in ms, and what became of the entries."""
    product = bench.stage.product(url, {"CATALOG_NEAR_CACHE_BYTES": f"{near_mib}MiB"})
    hot = bench.many(product.port, bench.stage.file("hot.req", wire.frame(wire.message())), 1, 1)
    argv = [LIMITS, "load", f"127.0.0.1:{product.port}", "BatchGetChallenges", requests, "1", "2", "20"]
    fill = subprocess.Popen(["taskset", "-c", LOAD_CORE, *map(str, argv)], stdout=subprocess.PIPE)
    peak_mib, slowest_us = 0, 0
    while fill.poll() is None:
        hot(2)
        slowest_us, peak_mib = max(slowest_us, bench.max_us), max(peak_mib, product.resident_mib())
    reads = json.loads(fill.stdout.read())["answers"] * 100
    state = wire.near_state(product.port)
    product.end()
    return peak_mib, reads, slowest_us / 1000, state


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="3 pairs of 1 s instead of 5 of 4 s: about 2 minutes")
    options.add_argument("--only", default="S1,S2,S3,S4,S5,S6,S7,S8,S9,S10,R,N,T1,T2,T3,T4", help="rows, such as S1,S5")
    options.add_argument("--before", type=pathlib.Path, help="a build of the release before: S1, S3, S5 and T1 against it too")
    options.add_argument("--no-save", action="store_true", help="print only")
    given = options.parse_args()
    only = given.only.split(",")
    pairs, seconds = (3, 1) if given.quick else (5, 4)
    with Stage() as stage:
        bench = Bench(stage, pairs, seconds, given.before and given.before.resolve())
        bench.head(HEAD)
        if {"S1", "S2", "S5", "S6"} & set(only):
            near_hits(bench, only)
        if {"S3", "S4"} & set(only):
            misses(bench, only)
        if "S9" in only:
            secured(bench)
        if "S10" in only:
            over_http(bench)
        if "S7" in only:
            footprint(bench)
        if "S8" in only:
            herd(bench)
        if "R" in only:
            receipts(bench)
        if "N" in only:
            many_keys(bench)
        if {"T1", "T2", "T3", "T4"} & set(only):
            tips.rows(bench, only)
    if not given.no_save:
        bench.save(f"{datetime.date.today()}.md")


if __name__ == "__main__":
    main()
