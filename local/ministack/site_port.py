"""The site port: what viewers of the emulated AWS see. It serves CloudFront distributions and load balancers by their
names, and nothing else.

A browser reaches a distribution as http://LABEL.cloudfront.localhost:PORT, or with a custom domain as
http://app.example.com.localhost:PORT, because browsers resolve *.localhost to 127.0.0.1 and treat it as secure
(https://www.w3.org/TR/secure-contexts/#is-origin-trustworthy). The application knows the public name,
https://LABEL.cloudfront.net, so the names are translated in both directions, as if the request had come by HTTPS.
Requests with the public name in Host are served as they are.
"""

import re

from ministack import app
from ministack.services import alb, cloudfront

from patching import replace

LOCAL_NAME = re.compile(r"(.+)\.localhost(?::\d+)?")


def apply():
    """Requests to a distribution: MiniStack finds it by its own domain name, and not by its aliases."""

    def parse(host):
        name = host.split(":")[0].lower()
        for distribution in cloudfront._distributions.values():
            if name in (alias.lower() for alias in cloudfront._get_distribution_aliases(distribution)):
                return distribution["DomainName"].split(".")[0]
        return original_parse(host)

    original_parse = replace(app, "_parse_cloudfront_dataplane_host", parse)


def serve_with(application):
    """Return an ASGI application for the site port."""

    async def serve(scope, receive, send):
        if scope["type"] == "lifespan":
            return await application(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if local := LOCAL_NAME.fullmatch(host):
            host = f"{local[1]}.net" if local[1].endswith(".cloudfront") else local[1]
            scope, send = translate(scope, send, local[0], host)
        elif is_load_balancer(host):
            scope = with_header(scope, b"host", f"{host.split(':')[0]}:{listener_port(headers)}")
        if not is_site(host):
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            return await send({"type": "http.response.body", "body": f"there is no site {host!r}\n".encode()})
        await application(scope, receive, send)

    return serve


def is_site(host):
    label = app._parse_cloudfront_dataplane_host(host)
    return label and cloudfront.find_distribution_for_label(label) or is_load_balancer(host)


def is_load_balancer(host):
    return alb.find_lb_for_host(host.split(":")[0]) is not None


def listener_port(headers):
    return 443 if headers.get(b"x-forwarded-proto") == b"https" else 80


def with_header(scope, name, value):
    headers = [(other, old) for other, old in scope["headers"] if other != name]
    return {**scope, "headers": [*headers, (name, value.encode("latin-1"))]}


def translate(scope, send, local, public):
    """Translate a browser's local name into the public name in a request, and back in its response."""
    origin, public_origin = f"http://{local}".encode(), f"https://{public}".encode()
    headers = []
    for name, value in scope["headers"]:
        if name in (b"origin", b"referer") and value.startswith(origin):
            value = public_origin + value[len(origin) :]
        if name not in (b"host", b"x-forwarded-proto"):
            headers.append((name, value))
    scope = {**scope, "headers": [*headers, (b"host", public.encode()), (b"x-forwarded-proto", b"https")]}

    async def send_back(message):
        if message["type"] == "http.response.start":
            message = {**message, "headers": [back(*header) for header in message["headers"]]}
        await send(message)

    def back(name, value):
        lower = name.lower()
        if lower == b"location" and value.startswith(public_origin):
            value = origin + value[len(public_origin) :]
        elif lower == b"set-cookie":
            value = re.sub(
                rb"(?i)(; *domain=)\.?" + re.escape(public.encode()), rb"\1" + local.split(":")[0].encode(), value
            )
        elif lower.startswith(b"access-control-allow-origin") and value == public_origin:
            value = origin
        return name, value

    return scope, send_back
