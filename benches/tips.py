"""T1 to T4: tips as streams, against a bare proxy and a bare stream."""

import json
import statistics
import urllib.request

import wire
from bench import Side, spread
from stage import LIMITS, LOAD_CORE, SERVER_CORE, free_port, run

CATALOG = "/challenges.catalog.v1.ChallengesCatalog/"
# A tip of 40 pieces in 2 s.
PIECES, INTERVAL_MS = 40, 50
LIVE, SUBSCRIBERS, REPLICAS = 200, 1000, 3
REFRESH = wire.varint(4 << 3) + wire.varint(3)


def rows(bench, only):
    stage = bench.stage
    provider = stage.free(lambda port: [LIMITS, "provider", f"127.0.0.1:{port}", PIECES, INTERVAL_MS], LOAD_CORE)
    if "T1" in only:
        live(bench, provider)
    if "T2" in only:
        one_for_all(bench, provider)
    if "T3" in only:
        cached(bench, provider)
    if "T4" in only:
        dead(bench)
    provider.end()


def writes(provider_port):
    """The settings of a replica whose tips a provider at this port writes."""
    # Every tip of a row is requested once, as fast as it is asked for.
    unlimited = {"CATALOG_ANTHROPIC_REQUESTS_PER_MINUTE": "0"}
    return {"ANTHROPIC_API_KEY": "bench", "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{provider_port}"} | unlimited


def request_count(provider):
    return int(urllib.request.urlopen(f"http://127.0.0.1:{provider.port}/").read())


def read(servers, requests, count, at_once, spread_ms=0):
    """What so many readers saw, in microseconds."""
    addrs = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return json.loads(run(["taskset", "-c", LOAD_CORE, LIMITS, "tips", addrs, requests, count, at_once, spread_ms]))


def all_ids(product):
    """Of the catalog, page by page."""
    found, token = [], ""
    while True:
        answer = wire.call(product.port, "ListChallenges", wire.varint(2 << 3) + wire.varint(100) + wire.message((3, token)))
        found += wire.ids(answer)
        token = dict(wire.fields(answer)).get(4, b"").decode()
        if not token:
            return found


def live(bench, provider):
    """T1: how much later a piece of text reaches a reader than through a proxy that looks at nothing."""
    stage = bench.stage
    url, redis = stage.postgres(), stage.redis()
    stage.seed(url, LIVE)
    product = stage.product(url, {**writes(provider.port), "REDIS_URL": redis})
    asked = [wire.frame(wire.message((1, id)) + REFRESH) for id in all_ids(product)]
    requests = stage.file("tips.req", b"".join(asked))
    proxy = stage.limit("proxy", f"127.0.0.1:{provider.port}")
    pairs = live_turns(bench, requests, product, proxy)
    # The first round connects everything.
    more = lambda what: [(ours[what] - theirs[what]) / 1000 for ours, theirs in pairs[1:]]
    median, tail = more("delay_p50"), more("delay_p99")
    ours, theirs = (statistics.median(pair[side]["delay_p50"] for pair in pairs[1:]) / 1000 for side in (0, 1))
    bench.add(
        "T1",
        f"{LIVE} tips, begun within 1 s, {PIECES} pieces each in 2 s: text later than through a bare proxy, p50",
        "≤ 0.15 ms, p99 ≤ 1 ms",
        f"**{statistics.median(median):.2f} ms** ({min(median):.2f} to {max(median):.2f})",
        "",
        f"**{statistics.median(tail):.2f} ms** more ({min(tail):.2f} to {max(tail):.2f})",
        f"p50 {ours:.2f} / {theirs:.2f} ms",
    )
    if bench.before:
        live_before(bench, provider, requests, product)
    product.end(), proxy.end()


def live_turns(bench, requests, *servers):
    """What readers of all tips saw at each of the servers, turn by turn; one turn more than there are pairs."""
    turns = []
    for _ in range(bench.pairs + 1):
        turns.append([read([server], requests, LIVE, LIVE, PIECES * INTERVAL_MS // 2) for server in servers])
        for seen in turns[-1]:
            if seen["pieces"] != LIVE * PIECES:
                raise SystemExit(f"pieces are missing: {seen}")
    return turns


def live_before(bench, provider, requests, product):
    """T1 of the release before: its ids are the same, because the same seeds made them."""
    stage = bench.stage
    url, redis = stage.postgres(), stage.redis()
    stage.seed(url, LIVE, bench.before)
    before = stage.product(url, {**writes(provider.port), "REDIS_URL": redis}, binary=bench.before)
    turns = live_turns(bench, requests, product, before)[1:]
    parts = {what: [theirs[what] / ours[what] for ours, theirs in turns] for what in ("delay_p50", "delay_p99")}
    halves = [statistics.median(turn[side]["delay_p50"] for turn in turns) / 1000 for side in (0, 1)]
    bench.add(
        "T1", "the same, vs the release before: its delay by ours", "≥ 0.97",
        spread(parts["delay_p50"]), "", f"p99 {spread(parts['delay_p99'])}", f"p50 {halves[0]:.2f} / {halves[1]:.2f} ms",
    )
    before.end()


def one_for_all(bench, provider):
    """T2: a thousand readers of one tip, at three replicas."""
    stage = bench.stage
    url, redis = stage.postgres(), stage.redis()
    stage.seed(url, 50)
    env = {**writes(provider.port), "REDIS_URL": redis}
    replicas = [stage.product(url, env) for _ in range(REPLICAS)]
    ids = all_ids(replicas[0])
    spreads, requested = [], []
    for number in range(bench.pairs):
        request = stage.file("tip.req", wire.frame(wire.message((1, ids[number]))))
        before = request_count(provider)
        seen = read(replicas, request, SUBSCRIBERS, SUBSCRIBERS)
        requested.append(request_count(provider) - before)
        if seen["streams"] != SUBSCRIBERS:
            raise SystemExit(f"not all were served: {seen}")
        spreads.append((seen["spread_p50"] / 1000, seen["spread_p99"] / 1000))
    halves, tails = zip(*spreads)
    bench.add(
        "T2",
        f"{SUBSCRIBERS} readers of one tip, {REPLICAS} replicas on one core: requests; last reader after the first",
        "1; p99 ≤ 5 ms",
        f"**{max(requested)}**; p50 {statistics.median(halves):.1f} ms",
        "",
        f"**{statistics.median(tails):.1f} ms** ({min(tails):.1f} to {max(tails):.1f})",
        "",
    )
    for server in replicas:
        server.end()


def cached(bench, provider):
    """T3: a tip that is there, as a stream, against stock tonic that streams the same messages."""
    stage = bench.stage
    # h2load is one caller, who asks more often than one may.
    many = {"CATALOG_TIP_STREAMS_PER_MINUTE": "1000000", "CATALOG_TIP_STREAMS_AT_ONCE": "100000"}
    database = f"sqlite:{stage.folder}/tips.sqlite"
    stage.seed(database, 50)
    product = stage.product(database, {**writes(provider.port), **many})
    message = wire.message((1, all_ids(product)[0]))
    wire.frames(product.port, "StreamTips", message)
    answer = wire.frames(product.port, "StreamTips", message)
    theirs = stage.limit("stream", stage.file("tip.answer", answer))
    request = stage.file("tip.req", wire.frame(message))
    check = lambda: None if len(wire.frames(product.port, "StreamTips", message)) == len(answer) else exit("no tip")
    sides = [Side(server, bench.h2load(server.port, CATALOG + "StreamTips", request), check) for server in (product, theirs)]
    bench.compare("T3", "a tip that is kept, as a stream, vs stock tonic, ready messages", "≥ 0.80", *sides)
    check()
    product.end(), theirs.end()


def dead(bench):
    """T4: nobody answers at the provider's address, and it is known."""
    stage = bench.stage
    url = stage.postgres()
    stage.seed(url, 1000)
    product = stage.product(url, writes(free_port()))
    asked = [wire.frame(wire.message((1, id))) for id in all_ids(product)]
    # Until the breaker opens, attempts are made.
    read([product], stage.file("first.req", b"".join(asked[:100])), 100, 20)
    took = [read([product], stage.file("tips.req", b"".join(asked[at : at + 150])), 150, 1) for at in range(100, 100 + 150 * bench.pairs, 150)]
    tails = [seen["took_p99"] / 1000 for seen in took]
    halves = [seen["took_p50"] / 1000 for seen in took]
    bench.add(
        "T4",
        "provider dead, breaker open, one caller: a static tip, p50",
        "p99 ≤ 5 ms",
        f"{statistics.median(halves):.2f} ms",
        "",
        f"**{statistics.median(tails):.2f} ms** ({min(tails):.2f} to {max(tails):.2f})",
        "",
    )
    product.end()
