"""Who may call the emulator.

The API port is for AWS clients of the user who started it. A web page in that user's browser can send requests to any
local port, so requests that a browser sends are refused. Other users of the machine do not know the access key, which
is random in each run. MiniStack verifies the signatures of IAM users, so the key belongs to one. MiniStack's own root
keys ("test", and any account ID) are not accepted.

The site port is for browsers. It serves CloudFront distributions and load balancers only (site_port.py).
"""

import base64
import hmac
import json
import re
import secrets
import sys

from ministack.core import iam_evaluator
from ministack.core.responses import set_request_account_id
from ministack.services import ecr, iam

from patching import replace

ADMINISTRATOR = "administrator"
HEALTH = "/_ministack/health"
REGISTRY = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com")  # the host of a request to the image registry
REGISTRY_PASSWORD = secrets.token_urlsafe(32)


def apply(account, key, secret):
    create_administrator(account, key, secret)
    refuse_root_keys()
    require_registry_password()


def create_administrator(account, key, secret):
    """Create an IAM user that has every permission."""
    set_request_account_id(account)
    iam._create_user({"UserName": [ADMINISTRATOR]})
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    policy = {"UserName": [ADMINISTRATOR], "PolicyName": ["everything"], "PolicyDocument": [json.dumps(everything)]}
    iam._put_user_policy(policy)
    iam._access_keys[key] = {
        "UserName": ADMINISTRATOR,
        "AccessKeyId": key,
        "SecretAccessKey": secret,
        "Status": "Active",
        "CreateDate": iam._now(),
    }


def refuse_root_keys():
    """Every call: MiniStack accepts any signature of the key "test", of an account ID, and of no key, as the root
    user."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith("ministack.") and hasattr(module, "is_root_access_key"):
            module.is_root_access_key = lambda key: False
    iam_evaluator._is_root_key = lambda key: False

    def enforce(access_key, action, service, *arguments, **options):
        # AssumeRoleWithWebIdentity has a token in place of a signature.
        if iam_evaluator._anonymous.get() and iam_evaluator._served_unsigned(service, action):
            return None
        return original_enforce(access_key, action, service, *arguments, **options)

    original_enforce = replace(iam_evaluator, "enforce", enforce)


def require_registry_password():
    """GetAuthorizationToken: MiniStack returns a constant password, and its registry does not ask for one."""

    def token(data):
        status, headers, body = original_token(data)
        response = json.loads(body)
        for data in response["authorizationData"]:
            data["authorizationToken"] = base64.b64encode(f"AWS:{REGISTRY_PASSWORD}".encode()).decode()
        return status, headers, json.dumps(response).encode()

    async def registry(method, path, headers, body, query):
        if not has_password(headers, REGISTRY_PASSWORD):
            challenge = {"Www-Authenticate": 'Basic realm="ECR"', "Content-Type": "text/plain"}
            return 401, challenge, b"Not Authorized: log in with the password of aws ecr get-login-password\n"
        return await original_registry(method, path, headers, body, query)

    original_token = replace(ecr, "_get_authorization_token", token)
    original_registry = replace(ecr, "handle_registry_request", registry)


def has_password(headers, password):
    """Return whether headers, with names in lower case, contain a password for HTTP basic authentication."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(value, validate=True).partition(b":")[2]
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, password.encode())


def guard(application, port, endpoints, secret, metadata_prefix, serve_metadata):
    """Return an ASGI application that refuses requests of browsers, and serves endpoints, functions by path, to callers
    that know the secret access key. serve_metadata serves the paths with metadata_prefix; it authenticates itself."""
    hosts = re.compile(rf"(127\.0\.0\.1|localhost):{port}")

    async def serve(scope, receive, send):
        if scope["type"] == "lifespan":
            return await application(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"]
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        if reason := refusal(headers, REGISTRY if path.startswith("/v2/") else hosts):
            return await respond(send, 403, f"refused: {reason}\n")
        if path in endpoints:
            if not has_password(headers, secret):
                reason = "refused: send the access key of make env, curl --user KEY:SECRET\n"
                return await respond(send, 401, reason)
            return await respond(send, 200, json.dumps(endpoints[path](), indent=1), "application/json")
        if path.startswith(metadata_prefix):
            return await serve_metadata(scope, receive, send)
        if path.startswith("/_") and path != HEALTH:  # MiniStack's own endpoints: reset, configuration, messages
            return await respond(send, 404, "not found\n")
        return await application(scope, receive, send)

    return serve


def refusal(headers, hosts):
    """Return why a request is refused, or None if it is not.

    Browsers send Origin with every request that is not a GET, and Sec-Fetch-Site with every request
    (https://developer.mozilla.org/docs/Web/HTTP/Headers/Sec-Fetch-Site). If the owner of a name points it to 127.0.0.1,
    its page is of the same origin, but its name is in Host (DNS rebinding).
    """
    if not hosts.fullmatch(headers.get("host", "")):
        return f"the host {headers.get('host')!r} is not this AWS API"
    if "origin" in headers:
        return "the AWS API does not serve web pages"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "the AWS API does not serve web pages"
    return None


async def respond(send, status, text, kind="text/plain; charset=utf-8"):
    headers = [(b"content-type", kind.encode())]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="local AWS"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
