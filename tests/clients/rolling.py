"""A caller in Python that goes on while replicas are restarted: `rolling.py ADDRESSES CA TOKEN RATE STREAMS`.

Makes RATE plain calls a second, and reads STREAMS tips at once, by the service config in docs/ over TLS, until its standard
input ends. A stream that is cut goes on with its last resume_token, on whichever replica. Prints as JSON what became of all
of them. Its stubs are in the folder on PYTHONPATH.
"""

import collections
import hashlib
import json
import pathlib
import sys
import threading
import time

import grpc
from challenges.catalog.v1 import catalog_pb2, catalog_pb2_grpc, tips_pb2

SERVICE_CONFIG = json.loads((pathlib.Path(__file__).parent.parent.parent / "docs/service-config.json").read_text())
# grpcio counts the config's timeout from a moment that it reckons by the processor's cycles, which on some virtual machines
# is more than a second off. So each call gets the same time by the clock.
CALL_SECONDS = float(SERVICE_CONFIG["methodConfig"][0].pop("timeout").removesuffix("s"))
STREAM_SECONDS = 60


class Told:
    """What became of calls and streams."""

    def __init__(self):
        self.lock = threading.Lock()
        self.failed, self.broken, self.cuts = collections.Counter(), [], collections.Counter()
        self.calls, self.streams, self.resumed, self.resets, self.took_ms = 0, 0, 0, 0, []

    def as_json(self):
        slowest = sorted(self.took_ms)
        return {
            "calls": self.calls, "failed": dict(self.failed), "p99_ms": slowest[len(slowest) * 99 // 100] if slowest else 0,
            "streams": self.streams, "cuts": dict(self.cuts), "resumed": self.resumed, "resets": self.resets,
            "broken": self.broken,
        }


def why(error):
    return f"{error.code().name}: {error.details()}"


def all_ids(catalog):
    """Of the catalog, page by page, once a replica is there."""
    ids, token = [], ""
    while True:
        request = catalog_pb2.ListChallengesRequest(page_size=100, page_token=token)
        page = catalog.ListChallenges(request, wait_for_ready=True, timeout=60)
        ids += [challenge.id for challenge in page.challenges]
        token = page.next_page_token
        if not token:
            return ids


def plain_calls(catalog, ids, told, is_over, rate):
    """Makes them at that rate, whatever becomes of those before."""
    open_calls, due, number = [], time.monotonic(), 0
    requests = [
        (catalog.ListChallenges, catalog_pb2.ListChallengesRequest()),
        (catalog.GetChallenge, catalog_pb2.GetChallengeRequest(id=ids[0])),
        (catalog.BatchGetChallenges, catalog_pb2.BatchGetChallengesRequest(ids=ids[:50])),
    ]

    def ended(call, asked):
        with told.lock:
            told.calls += 1
            told.took_ms.append(round((time.monotonic() - asked) * 1000, 1))
            if error := call.exception():
                told.failed[why(error)] += 1

    while not is_over.wait(max(0, due - time.monotonic())):
        method, request = requests[number % len(requests)]
        call, asked = method.future(request, timeout=CALL_SECONDS), time.monotonic()
        call.add_done_callback(lambda call, asked=asked: ended(call, asked))
        open_calls = [one for one in open_calls if not one.done()] + [call]
        number, due = number + 1, due + 1 / rate
    for call in open_calls:
        call.exception()


def read_tip(catalog, id, told):
    """One tip from its beginning to its end, over as many streams as it takes."""
    text, token = b"", b""
    deadline = time.monotonic() + STREAM_SECONDS
    while time.monotonic() < deadline:
        request = tips_pb2.StreamTipsRequest(challenge_id=id, resume_token=token)
        try:
            for event in catalog.StreamTips(request, timeout=STREAM_SECONDS):
                kind = event.WhichOneof("event")
                # A text that another replica wrote anew, because the one that wrote it left.
                if kind == "reset" or (kind == "accepted" and event.offset < len(text)):
                    with told.lock:
                        told.resets += bool(text)
                    text = b""
                elif kind == "delta":
                    text += event.delta.text.encode()
                elif kind == "done":
                    whole = hashlib.sha256(text).digest() == event.done.sha256
                    return None if whole else "done is of another text"
                if len(text) != event.offset:
                    return f"there are {len(text)} bytes where there should be {event.offset}, at {kind}"
                token = event.resume_token
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                return why(error)
            with told.lock:
                told.cuts[error.details()] += 1
                told.resumed += bool(token)
            time.sleep(0.05)
    return "it did not end in time"


def read_tips(catalog, ids, told, is_over):
    number = 0
    while not is_over.is_set():
        problem = read_tip(catalog, ids[number % len(ids)], told)
        with told.lock:
            told.streams += 1
            if problem:
                told.broken.append(problem)
        number += 1


def main():
    addresses, authority, token, rate, streams = sys.argv[1:]
    tls = grpc.ssl_channel_credentials(pathlib.Path(authority).read_bytes())
    credentials = grpc.composite_channel_credentials(tls, grpc.access_token_call_credentials(token))
    options = [("grpc.service_config", json.dumps(SERVICE_CONFIG)), ("grpc.ssl_target_name_override", "localhost")]
    told = Told()
    with grpc.secure_channel(f"ipv4:{addresses}", credentials, options) as channel:
        catalog = catalog_pb2_grpc.ChallengesCatalogStub(channel)
        ids = all_ids(catalog)
        is_over = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), is_over.set())).start()
        readers = [
            # Each reads other tips.
            threading.Thread(target=read_tips, args=(catalog, ids[number :: int(streams)], told, is_over))
            for number in range(int(streams))
        ]
        for reader in readers:
            reader.start()
        plain_calls(catalog, ids, told, is_over, float(rate))
        for reader in readers:
            reader.join()
    print(json.dumps(told.as_json()))


main()
