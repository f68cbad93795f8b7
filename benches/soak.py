"""Lets thousands of connections come and go for a while, in every way that they can, and shows that nothing of them stays;
`make soak` runs it.

Connections speak TLS and call, say nothing, break off a handshake, are reset, or leave a stream of a tip. The slope is that
of the memory after the first third, by least squares.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import time

import tips
import wire
from bench import Bench
from stage import ALL_CORES, LIMITS, Stage

HEAD = ("#", "what", "goal", "result", "details")
SAMPLE_SECONDS = 5
# A tip of 40 pieces in 2 s.
PIECES, INTERVAL_MS = 40, 50
GAUGES = ("catalog_connections", "catalog_rpc_in_flight")


def gauges(server):
    return wire.gauges(server.ops_port, *GAUGES)


def files(server):
    return len(list(pathlib.Path(f"/proc/{server.child.pid}/fd").iterdir()))


def slope(samples):
    """Of (seconds, value), by least squares, in values a minute."""
    count = len(samples)
    mean_x, mean_y = (sum(column) / count for column in zip(*samples))
    over = sum((x - mean_x) * (y - mean_y) for x, y in samples)
    return over / sum((x - mean_x) ** 2 for x, _ in samples) * 60


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=60, help="how long")
    options.add_argument("--connections", type=int, default=5000, help="how many are open at once")
    options.add_argument("--no-save", action="store_true", help="print only")
    given = options.parse_args()
    with Stage(ALL_CORES, ALL_CORES) as stage:
        bench = Bench(stage, 1, round(given.minutes * 60))
        bench.head(HEAD)
        tls = stage.tls()
        database = f"sqlite:{stage.folder}/soak.sqlite"
        stage.seed(database, 50)
        provider = stage.free(lambda port: [LIMITS, "provider", f"127.0.0.1:{port}", PIECES, INTERVAL_MS], ALL_CORES)
        many = {"CATALOG_TIP_STREAMS_PER_MINUTE": "1000000", "CATALOG_TIP_STREAMS_AT_ONCE": "100000"}
        server = stage.secure(tls, database, {**tips.writes(provider.port), **many})
        challenge = wire.ids(wire.call(server.port, "ListChallenges", wire.message(), tls))[0]
        idle = server.resident_mib(), files(server), gauges(server)
        argv = [LIMITS, "churn", wire.address(server.port, tls), challenge, given.connections, round(given.minutes * 60)]
        load = subprocess.Popen(
            [str(part) for part in argv], env={**os.environ, **tls.caller()}, stdout=subprocess.PIPE, text=True
        )
        began, samples, most = time.monotonic(), [], 0
        while load.poll() is None:
            time.sleep(SAMPLE_SECONDS)
            if load.poll() is None:
                most = max(most, gauges(server)["catalog_connections"])
                samples.append((time.monotonic() - began, server.resident_mib()))
        churned = json.loads(load.stdout.read())
        # Longer than a handshake may take, and than whoever left is waited for.
        deadline = time.monotonic() + 60
        while gauges(server) != idle[2] and time.monotonic() < deadline:
            time.sleep(1)
        left, after = gauges(server), files(server)
        settled = samples[len(samples) // 3 :]
        per_minute = slope(settled)
        bench.add(
            "K1", f"{churned['connections']} connections in {given.minutes:g} min, {most:.0f} at once: memory", "slope ~0",
            f"**{per_minute:+.2f} MiB a minute**",
            f"idle {idle[0]:.0f}, {settled[0][1]:.0f} then {settled[-1][1]:.0f} MiB; {churned['answers']} calls answered, {churned['failed']} connections failed",
        )
        bench.add(
            "K2", "left afterwards: connections, calls, open files more than before", "0, 0, 0",
            f"**{left['catalog_connections']:.0f}, {left['catalog_rpc_in_flight']:.0f}, {after - idle[1]}**",
            f"memory {server.resident_mib():.0f} MiB",
        )
    if not given.no_save:
        bench.save(f"soak-{datetime.date.today()}.md")


if __name__ == "__main__":
    main()
