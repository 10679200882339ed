"""Patches for the HTTP server and for MiniStack's request dispatch."""

from collections import OrderedDict

from hypercorn.asyncio.tcp_server import TCPServer
from ministack import app
from ministack.core.iam_evaluator import pin_request_origin

from patching import replace

MAX_STORED_RESPONSES = 1000


def apply():
    closed_connections()
    retries()
    health_path()
    secure_transport()


def closed_connections():
    """Every call: Hypercorn holds a connection that the client has closed until the idle timeout. The timeout is an
    hour here (see __main__.py), so closed connections would accumulate."""

    async def read(connection):
        await original_read(connection)
        await connection.idle_task.stop()

    original_read = replace(TCPServer, "_read_data", read)


def retries():
    """Every call with a method other than GET: a client whose response was lost sends the call again with the same
    invocation ID. MiniStack runs the call again, and the client gets an "already exists" error. This happens about once
    in ten thousand calls."""

    async def dispatch(method, path, headers, body, query, request):
        invocation = headers.get("amz-sdk-invocation-id")
        if invocation in responses:
            return responses[invocation]
        response = await original_dispatch(method, path, headers, body, query, request)
        if invocation and method != "GET" and response[0] < 300 and isinstance(response[2], bytes):
            responses[invocation] = response
            if len(responses) > MAX_STORED_RESPONSES:
                responses.popitem(last=False)
        return response

    responses = OrderedDict()
    original_dispatch = replace(app, "_dispatch_service_request", dispatch)


def health_path():
    """GET /health: MiniStack answers it for every host. The path belongs to the application behind a CloudFront
    distribution or a load balancer."""
    app._HEALTH_PATHS = ("/_ministack/health",)


def secure_transport():
    """Every call: the SDKs call AWS over TLS, but MiniStack over plain HTTP. The bucket policies deny requests if
    aws:SecureTransport is false."""

    def pin_secure_origin(address, encrypted):
        pin_request_origin(address, True)

    replace(app, "pin_request_origin", pin_secure_origin)
