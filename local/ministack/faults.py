"""The faults of AWS: throttling, internal errors, broken connections, and a service that is down.

A request with a fault is not performed. Which requests have one depends on the seed, and on the order of the requests.

Sources of the errors:
- https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html (EC2: RequestLimitExceeded)
- https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (S3: SlowDown, InternalError, ServiceUnavailable)
- https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html (the others)
"""

import random
import re
import time
from collections import Counter
from weakref import WeakValueDictionary

from hypercorn.asyncio.tcp_server import TCPServer

import constraints
import patching

SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")

THROTTLING = {"ec2": (503, "RequestLimitExceeded"), "s3": (503, "SlowDown")}
INTERNAL = {"ec2": (500, "InternalError"), "s3": (500, "InternalError")}
UNAVAILABLE = {"ec2": (503, "Unavailable")}

counts = Counter()  # of the faults, by kind
connections = WeakValueDictionary()  # the writer of each connection, by the client's address


def between(api, rate, seed, down):
    """Return an ASGI application that passes requests to api, except a rate of them, 0 to 1, and those to a service in
    down: its name in the scope of a signature, and seconds from its first request on; or None."""

    def remember_connection(server, *arguments):
        original(server, *arguments)
        connections[server.writer.get_extra_info("peername")] = server.writer

    original = patching.replace(TCPServer, "__init__", remember_connection)
    chance = random.Random(seed)
    service_down, seconds = down or (None, 0)
    until = None

    async def serve(scope, receive, send):
        nonlocal until
        service = service_of(scope)
        if service is None:  # not a signed request
            return await api(scope, receive, send)
        if service == service_down:
            until = until or time.monotonic() + seconds
            if time.monotonic() < until:
                return await fail(scope, send, "down", service)
        if chance.random() < rate:
            return await fail(scope, send, chance.choice(("throttling", "internal", "broken")), service)
        return await api(scope, receive, send)

    return serve


def service_of(scope):
    if scope["type"] != "http":
        return None
    match = SCOPE.search(dict(scope["headers"]).get(b"authorization", b"").decode("latin-1"))
    return match and match[1]


async def fail(scope, send, kind, service):
    counts[kind] += 1
    if kind == "broken":
        connections[scope["client"]].transport.abort()
        return
    status, code, message = {
        "throttling": (*THROTTLING.get(service, (400, "ThrottlingException")), "Rate exceeded"),
        "internal": (*INTERNAL.get(service, (500, "InternalFailure")), "An internal error has occurred."),
        "down": (*UNAVAILABLE.get(service, (503, "ServiceUnavailable")), "The service is temporarily unavailable."),
    }[kind]
    names = {name.decode("latin-1").lower() for name, _ in scope["headers"]}
    status, headers, body = constraints.error_response(service, names, status, code, message)
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
