"""A caller in Python, with stubs from proto/ and grpcio-status: `catalog.py ADDR list|fail|stream`.

Prints what it got as JSON; tests/it/clients compares it. Its stubs are in the folder on PYTHONPATH.
"""

import hashlib
import json
import sys

import grpc
from challenges.catalog.v1 import catalog_pb2, catalog_pb2_grpc, challenge_pb2, tips_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

KNOWN = "7368dad2-43a3-4359-95c9-2405f700f00e"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def lists(catalog):
    """The first two for beginners, by two pages."""
    titles, token = [], ""
    for _ in range(2):
        request = catalog_pb2.ListChallengesRequest(
            difficulty=challenge_pb2.DIFFICULTY_BEGINNER, page_size=1, page_token=token
        )
        page = catalog.ListChallenges(request, timeout=60)
        titles += [challenge.title for challenge in page.challenges]
        token = page.next_page_token
    return {"total": page.total_count, "titles": titles}


def fails(catalog):
    """What it tells about a challenge that is not there."""
    try:
        catalog.GetChallenge(catalog_pb2.GetChallengeRequest(id=UNKNOWN), timeout=60)
    except grpc.RpcError as error:
        # Refuses details whose code or message is not that of the trailers.
        status = rpc_status.from_call(error)
        found = {"code": error.code().name, "message": status.message}
        reason, resource = error_details_pb2.ErrorInfo(), error_details_pb2.ResourceInfo()
        for detail in status.details:
            if detail.Unpack(reason):
                found["error"] = f"{reason.domain} {reason.reason}"
            elif detail.Unpack(resource):
                found["resource"] = f"{resource.resource_type} {resource.resource_name}"
        return found
    raise SystemExit("a challenge that nobody made")


def streams(catalog):
    """A tip, as its events say that it is."""
    text, pieces, done = b"", 0, None
    for event in catalog.StreamTips(tips_pb2.StreamTipsRequest(challenge_id=KNOWN), timeout=60):
        kind = event.WhichOneof("event")
        if kind == "reset":
            text = b""
        elif kind == "delta":
            text += event.delta.text.encode()
            pieces += 1
        elif kind == "done":
            done = event.done
    if hashlib.sha256(text).digest() != done.sha256 or len(text) != done.length:
        raise SystemExit(f"done is of another text than {text}")
    return {"text": text.decode(), "several": pieces > 1, "source": tips_pb2.TipSource.Name(done.source)}


address, step = sys.argv[1:]
with grpc.insecure_channel(address) as channel:
    stub = catalog_pb2_grpc.ChallengesCatalogStub(channel)
    print(json.dumps({"list": lists, "fail": fails, "stream": streams}[step](stub)))
