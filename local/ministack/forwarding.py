"""The requests that Application Load Balancers forward to instances and IP addresses (targets.py).

MiniStack matches the rules of a listener, and connects to the ID of a random target.

Source of the errors:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
"""

import asyncio
import contextvars
import itertools
import logging
import time
from email.utils import formatdate

import h11
from ministack.core.responses import StreamingResponse
from ministack.services import alb

from http_exchange import Exchange
from patching import replace
from targets import registered

logger = logging.getLogger("forwarding")

CONNECT_TIMEOUT = 10  # seconds
HOP_BY_HOP = ("connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
ERRORS = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}

# What proxy reports of the current request: group_arn, target, and with a response its status and seconds.
current_exchange = contextvars.ContextVar("current_exchange")

turns = {}  # counters of each target group's requests


def apply():
    original_forward = replace(alb, "_forward_to_tg", lambda *arguments: forward(original_forward, *arguments))


def choose(group_arn):
    """Return the target of the next request, or None. Targets take turns. If none is healthy, the load balancer fails
    open: it forwards to every target that is not draining."""
    candidates = [target for target in registered.get(group_arn, {}).values() if target.state != "draining"]
    candidates = [target for target in candidates if target.state == "healthy"] or candidates
    if not candidates:
        return None
    return candidates[next(turns.setdefault(group_arn, itertools.count())) % len(candidates)]


async def forward(original, group_arn, method, path, headers, body, query, raw_query="", raw_path=None):
    group = alb._tgs.get(group_arn)
    if group is None or group.get("TargetType", "instance") not in ("instance", "ip"):
        return await original(group_arn, method, path, headers, body, query, raw_query, raw_path)
    target = choose(group_arn)
    if target is None:
        return error_response(503)
    url = (raw_path or path) + (f"?{raw_query}" if raw_query else "")
    return await proxy(target, method, url, headers, body)


async def proxy(target, method, url, headers, body):
    """Forward a request to a target. The load balancer does not repeat a request that fails.

    Unlike AWS, each request has a connection of its own, so a target that closes idle connections loses no request.
    """
    balancer = next(iter(target.group["LoadBalancerArns"]), "")
    timeout = float(alb._lb_attr(balancer, "idle_timeout.timeout_seconds", "60"))
    fields = [
        (name, value.encode("latin-1", "replace"))
        for name, value in headers.items()
        if name.lower() not in (*HOP_BY_HOP, "content-length")
    ]
    if body or method in ("POST", "PUT", "PATCH"):
        fields.append(("Content-Length", str(len(body or b""))))
    report, begin = current_exchange.get({}), time.monotonic()
    report.update(group_arn=target.group_arn, target=f"{target.target_id}:{target.port}")
    target.requests += 1
    try:
        if (address := target.address()) is None:
            raise ConnectionRefusedError
        exchange = await Exchange.open(
            address, method, url, fields, body, connect_timeout=CONNECT_TIMEOUT, response_timeout=timeout
        )
    except BaseException as error:
        target.requests -= 1
        if isinstance(error, TimeoutError):  # of the connection, or of the response
            return error_response(504)
        if isinstance(error, OSError | h11.ProtocolError):
            return error_response(502)
        raise

    report.update(status=exchange.status, seconds=time.monotonic() - begin)

    async def relay(send, receive):
        relaying, leaving = asyncio.ensure_future(relay_body(send)), asyncio.ensure_future(disconnect(receive))
        try:
            await asyncio.wait({relaying, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            relaying.cancel()
            leaving.cancel()
            target.requests -= 1
            exchange.close()

    async def relay_body(send):
        try:
            async for part in exchange.body(timeout):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, OSError, h11.ProtocolError):
            # The viewer notices, because the last part is missing.
            logger.info("the response of %s is incomplete", target.target_id)

    return exchange.status, response_headers(exchange.headers), StreamingResponse(relay)


async def disconnect(receive):
    """Wait until the viewer closes the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def response_headers(pairs):
    """Return the header fields that a viewer gets: a dictionary, with a list for a repeated field."""
    headers = {}
    for name, value in pairs:
        if name not in HOP_BY_HOP:
            headers.setdefault(name, []).append(value)
    headers["date"] = [formatdate(usegmt=True)]  # the load balancer's own
    return {name: values[0] if len(values) == 1 else values for name, values in headers.items()}


def error_response(status):
    text = ERRORS[status]
    lines = (
        "<html>",
        f"<head><title>{text}</title></head>",
        "<body>",
        f"<center><h1>{text}</h1></center>",
        "</body>",
        "</html>",
        "",
    )
    return status, {"Content-Type": "text/html"}, "\r\n".join(lines).encode()
