"""As much of gRPC as is needed to know that two servers answer the same."""

import http.client
import os
import re
import subprocess
import types
import urllib.request

from stage import LIMITS


def message(*fields):
    """Of text fields: their numbers and values."""
    parts = []
    for number, value in fields:
        data = value if isinstance(value, bytes) else value.encode()
        parts.append(varint(number << 3 | 2) + varint(len(data)) + data)
    return b"".join(parts)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def frame(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def fields(message):
    """The fields of a message that has numbers, doubles, texts and messages."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    found = []
    while at < len(message):
        key = number()
        if key & 7 == 0:
            found.append((key >> 3, number()))
        elif key & 7 == 1:
            found.append((key >> 3, message[at : at + 8]))
            at += 8
        else:
            length = number()
            found.append((key >> 3, message[at : at + length]))
            at += length
    return found


def ids(list_answer):
    return [dict(fields(value))[1].decode() for number, value in fields(list_answer) if number == 1]


def etag(answer):
    return dict(fields(answer))[5].decode()


def same(a, b):
    """But for the fields that say when: 8 and 9."""
    content = lambda answer: [field for field in fields(answer) if field[0] < 8]
    if content(a) != content(b):
        raise SystemExit("the two servers do not answer the same")


def get(port, path, headers=None):
    """One answer over HTTP/1.1: its status, its headers by lower-case names, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    told = {name.lower(): value for name, value in answer.getheaders()}
    body = answer.read()
    connection.close()
    return types.SimpleNamespace(status=answer.status, headers=told, body=body)


def equal(a, b):
    if a != b:
        raise SystemExit("the two servers do not answer the same")


def seconds(duration):
    """Of a google.protobuf.Duration."""
    parts = dict(fields(duration))
    return parts.get(1, 0) + parts.get(2, 0) / 1e9


def receipt_ms(port, replicas):
    """How long it took to prove that so many replicas have forgotten everything; ends the program if one did not."""
    everything = varint(3 << 3) + varint(1)
    receipt = call(port, "challenges.admin.v1.CacheAdmin/InvalidateCache", everything)
    acknowledged = [value for number, value in fields(receipt) if number == 2]
    if len(acknowledged) != replicas:
        raise SystemExit(f"not all acknowledged: {acknowledged}")
    return seconds(dict(fields(receipt))[5]) * 1000


def cache_status(port):
    """The fields of ReplicaCacheStatus."""
    answer = call(port, "challenges.admin.v1.CacheAdmin/GetCacheStatus", b"")
    return dict(fields(dict(fields(answer))[1]))


def near_state(port):
    """How many entries the near cache has, and how many were pushed out."""
    near = dict(fields(cache_status(port)[9]))
    return near.get(1, 0), near.get(8, 0)


def database_reads(port):
    return dict(fields(cache_status(port)[11])).get(2, 0)


def call(port, method, request, tls=None):
    """The message that answers; ends the program unless its status is OK."""
    return asked("call", port, method, request, tls)


def frames(port, method, request):
    """All messages of a stream, framed."""
    return asked("frames", port, method, request)


def address(port, tls=None):
    """As the load generator takes it."""
    return f"https://localhost:{port}" if tls else f"127.0.0.1:{port}"


def asked(how, port, method, request, tls=None):
    env = {**os.environ, **(tls.caller() if tls else {})}
    done = subprocess.run([LIMITS, how, address(port, tls), method], input=request, capture_output=True, env=env)
    if done.returncode:
        raise SystemExit(f"{method}: {done.stderr.decode()}")
    return done.stdout


def h2load_summary(text):
    """Answers a second, how many were 2xx, and how many failed: 304 is an answer."""
    rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", text)[1])
    good = int(re.search(r"status codes: (\d+) 2xx", text)[1])
    failed = int(re.search(r"(\d+) failed", text)[1])
    others = sum(int(n) for n in re.findall(r"(\d+) [45]xx", text))
    return rate, good, failed + others


def gauges(ops_port, *names):
    """What the metrics of these names say, each summed up over all labels."""
    sums = dict.fromkeys(names, 0.0)
    for line in urllib.request.urlopen(f"http://127.0.0.1:{ops_port}/metrics").read().decode().splitlines():
        name, _, value = line.rpartition(" ")
        name = name.partition("{")[0]
        if name in sums:
            sums[name] += float(value)
    return sums
