"""Restarts a fleet of three one by one, over and over, under callers in Python and Node; `make check-rolling` runs it.

Replicas and callers speak TLS with tokens, and callers go by docs/service-config.json and nothing else. It fails if one
plain call fails, or one stream of a tip has a gap, a repeat or no end.
"""

import argparse
import json
import os
import signal
import subprocess
import time

import tips
import wire
from stage import ALL_CORES, LIMITS, ROOT, Stage, free_port, run

REPLICAS = 3
RATE, STREAMS = 200, 4
# A tip of 60 pieces in 3 s: about as long as a restart takes, so that some are cut twice.
PIECES, INTERVAL_MS = 60, 50
TOOLS = ROOT / ".tools"
PYTHON = TOOLS / "python-clients/bin/python"


def stubs(stage):
    folder = stage.folder / "stubs"
    folder.mkdir()
    files = [path.relative_to(ROOT / "proto") for path in (ROOT / "proto").rglob("*.proto")]
    run([PYTHON, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}", f"-I{ROOT / 'protocols'}", f"--python_out={folder}", f"--grpc_python_out={folder}", *files])
    return folder


def callers(stage, tls, ports):
    """In both languages, under way."""
    addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
    arguments = [addresses, tls.authority, tls.token("caller"), RATE, STREAMS]
    programs = {
        "grpc-python": ([PYTHON, ROOT / "tests/clients/rolling.py"], {"PYTHONPATH": str(stubs(stage))}),
        "@grpc/grpc-js": (["node", ROOT / "tests/clients/rolling.js"], {"NODE_PATH": str(TOOLS / "node-clients/node_modules")}),
    }
    return {
        name: subprocess.Popen(
            [str(part) for part in [*argv, *arguments]],
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, (argv, env) in programs.items()
    }


def until_called(replica):
    """Waits until both callers have found it."""
    replica.wait_until(lambda: wire.gauges(replica.ops_port, "catalog_connections")["catalog_connections"] > 1)


def restarts(start, replicas, rounds):
    """Each replica ends as Kubernetes would end it, and comes back at its address, before the next one does."""
    for _ in range(rounds):
        for number, replica in enumerate(replicas):
            replica.child.send_signal(signal.SIGTERM)
            if code := replica.child.wait(60):
                raise SystemExit(f"a replica ended with {code}")
            replicas[number] = start(replica.port)
            until_called(replicas[number])


def problems(name, told, rounds):
    found = [f"{count} calls failed: {what}" for what, count in told["failed"].items()]
    found += told["broken"]
    if told["calls"] < RATE or not told["streams"]:
        found.append("there was no load")
    if rounds and not told["resumed"]:
        found.append("no stream was cut")
    return [f"{name}: {problem}" for problem in found]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=6, help="how often each replica is restarted")
    options.add_argument("--delay", default="1s", help="CATALOG_SHUTDOWN_DELAY, for callers to notice")
    given = options.parse_args()
    with Stage(ALL_CORES, ALL_CORES) as stage:
        tls = stage.tls()
        url, redis = stage.postgres(), stage.redis()
        # Each caller asks for a tip once: one that is kept is no stream that could be cut.
        stage.seed(url, 1000)
        provider = stage.free(lambda port: [LIMITS, "provider", f"127.0.0.1:{port}", PIECES, INTERVAL_MS], ALL_CORES)
        env = {
            **tips.writes(provider.port), "REDIS_URL": redis,
            "CATALOG_TIP_STREAMS_PER_MINUTE": "100000", "CATALOG_SHUTDOWN_DELAY": given.delay,
        }
        start = lambda port: stage.secure(tls, url, env, port=port)
        replicas = [start(free_port()) for _ in range(REPLICAS)]
        running = callers(stage, tls, [replica.port for replica in replicas])
        for replica in replicas:
            until_called(replica)
        began = time.monotonic()
        restarts(start, replicas, given.rounds)
        took = time.monotonic() - began
        found = []
        for name, program in running.items():
            # The end of its standard input ends it.
            answer = program.communicate("", timeout=600)[0]
            if program.returncode:
                raise SystemExit(f"{name} ended with {program.returncode}: {answer}")
            told = json.loads(answer)
            print(f"{name}: {json.dumps(told)}", flush=True)
            found += problems(name, told, given.rounds)
        print(f"{given.rounds * REPLICAS} restarts in {took:.0f} s")
    if found:
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
