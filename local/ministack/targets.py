"""The targets of Application Load Balancers: health checks, draining, and forwarding of requests.

MiniStack reports every registered target as healthy, and connects to the ID of a target. Here the load balancer checks
the health of each target with HTTP requests, forwards to healthy targets only, and drains the targets that are
deregistered. MiniStack keeps the records of load balancers, listeners, rules and target groups, and matches the rules.

Sources:
- https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
- https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
- https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
  (deregistration delay)
- https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html (502, 503, 504)
"""

import asyncio
import contextvars
import itertools
import logging
import time
from email.utils import formatdate

import h11
from ministack.core.responses import StreamingResponse, set_request_account_id, set_request_region
from ministack.services import alb

import instances
from http_exchange import Exchange
from patching import replace
from query_protocol import Api
from timing import scaled

logger = logging.getLogger("targets")

CONNECT_TIMEOUT = 10  # seconds
LEAST_INTERVAL = 0.2  # seconds between health checks
LEAST_TIMEOUT = 1.0  # seconds of a health check: the time that a target needs to respond is not shortened
HOP_BY_HOP = ("connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")

DESCRIPTIONS = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.Timeout": "Request timed out",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
}
ERRORS = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}

# What proxy reports of the current request: group_arn, target, and with a response its status and seconds.
current_exchange = contextvars.ContextVar("current_exchange")

api = Api("elbv2")
registered = {}  # the targets of each target group, by its ARN: {(target ID, port): Target}
turns = {}  # counters of each target group's requests


def apply():
    actions = alb._ACTION_MAP
    for name, handle in {
        "RegisterTargets": register_targets,
        "DeregisterTargets": deregister_targets,
        "DescribeTargetHealth": describe_target_health,
    }.items():
        actions[name] = for_http_targets(actions[name], handle)
    original_delete = replace(actions, "DeleteTargetGroup", lambda request: delete_targets(original_delete, request))
    original_forward = replace(alb, "_forward_to_tg", lambda *arguments: forward(original_forward, *arguments))
    replace(alb, "_proxy_http_target", proxy)


class Target:
    """A registered target. state, reason and description are those of DescribeTargetHealth."""

    def __init__(self, group, target_id, port):
        self.group, self.group_arn = group, group["TargetGroupArn"]  # MiniStack's record of the target group
        self.target_id, self.port = target_id, port
        self.successes = self.failures = 0  # consecutive health checks
        self.requests = 0  # in flight
        self.become("initial", "Elb.RegistrationInProgress")
        self.task = asyncio.create_task(self.check_health())
        self.drain_task = None

    def become(self, state, reason=None, description=None):
        self.state, self.reason = state, reason
        self.description = description or DESCRIPTIONS.get(reason)

    def address(self, port=None):
        """Return (host, port) of the target, or None if the instance is not running."""
        if self.group.get("TargetType", "instance") == "ip":
            return self.target_id, port or self.port
        return instances.address(self.target_id, port or self.port)

    async def check_health(self):
        """Check the health at the interval of the target group, until the task is cancelled."""
        region, account = self.group_arn.split(":")[3:5]
        set_request_account_id(account)
        set_request_region(region)
        while True:
            begin = time.monotonic()
            try:
                await self.check_once()
            except Exception:
                logger.exception("health check of %s", self.target_id)
            interval = scaled(self.group["HealthCheckIntervalSeconds"], LEAST_INTERVAL)
            await asyncio.sleep(max(0, begin + interval - time.monotonic()))

    async def check_once(self):
        if not is_in_use(self.group_arn):
            return self.become("unused", "Target.NotInUse")
        if self.state == "unused" or self.reason == "Elb.RegistrationInProgress":
            self.successes = self.failures = 0
            self.become("initial", "Elb.InitialHealthChecking")
        reason, description = await self.probe()
        if self.state == "draining":
            return None
        if reason is None:
            self.successes, self.failures = self.successes + 1, 0
            # A new target has to pass one check, and an unhealthy target as many as the threshold.
            if self.state == "initial" or self.successes >= self.group["HealthyThresholdCount"]:
                self.become("healthy")
        else:
            self.successes, self.failures = 0, self.failures + 1
            if self.failures >= self.group["UnhealthyThresholdCount"]:
                self.become("unhealthy", reason, description)
        return None

    async def probe(self):
        """Send a health check request. Return the reason code and the description of its failure, or (None, None)."""
        settings, port = self.group, self.group["HealthCheckPort"]
        address = self.address(int(port) if port.isdigit() else None)
        if address is None:
            return "Target.FailedHealthChecks", None
        limit = settings["HealthCheckTimeoutSeconds"]
        timeout = min(limit, scaled(limit, LEAST_TIMEOUT))
        headers = [("Host", "{}:{}".format(*address)), ("User-Agent", "ELB-HealthChecker/2.0"), ("Connection", "close")]
        try:
            async with asyncio.timeout(timeout):
                exchange = await Exchange.open(
                    address,
                    "GET",
                    settings["HealthCheckPath"],
                    headers,
                    connect_timeout=timeout,
                    response_timeout=timeout,
                )
        except TimeoutError:
            return "Target.Timeout", None
        except (OSError, h11.ProtocolError):
            return "Target.FailedHealthChecks", None
        exchange.close()
        if matches(exchange.status, settings["Matcher"]["HttpCode"]):
            return None, None
        return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{exchange.status}]"

    def drain(self):
        """Stop sending requests to the target. Return the task that ends when the target may be terminated."""
        if self.drain_task is None:
            self.task.cancel()
            self.become("draining", "Target.DeregistrationInProgress")
            self.drain_task = asyncio.create_task(self.finish_requests())
        return self.drain_task

    async def finish_requests(self):
        """Wait for the deregistration delay. It is shortened, but requests take as long as they do on AWS, so a request
        in flight may take the whole delay."""
        attributes = {item["Key"]: item["Value"] for item in alb._tg_attrs.get(self.group_arn, [])}
        delay = float(attributes.get("deregistration_delay.timeout_seconds", 300))
        begin = time.monotonic()
        await asyncio.sleep(scaled(delay))
        while self.requests and time.monotonic() < begin + delay:
            await asyncio.sleep(0.05)
        self.forget()

    def forget(self):
        self.task.cancel()
        targets = registered.get(self.group_arn, {})
        if targets.get((self.target_id, self.port)) is self:
            del targets[self.target_id, self.port]
        self.become("unused", "Target.NotRegistered")


def is_in_use(group_arn):
    """Return whether a rule of a listener forwards to the target group. Every listener has a default rule."""
    return any(group_arn in str(rule.get("Actions")) for rule in alb._rules.values())


def matches(status, codes):
    """Return whether a status code is one of the matcher's codes, such as "200", "200,202" or "200-299"."""
    for part in codes.split(","):
        first, _, last = part.partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


# Registration


def register(group_arn, target_id, port=None):
    """Register a target. A target that is draining becomes a new target."""
    group = alb._tgs[group_arn]
    port = port or group["Port"]
    targets = registered.setdefault(group_arn, {})
    if (target_id, port) not in targets or targets[target_id, port].state == "draining":
        targets[target_id, port] = Target(group, target_id, port)


def deregister(group_arn, target_id, port=None):
    """Drain a target on one or all of its ports. Return the tasks that end when the target may be terminated."""
    targets = [target for target in find(group_arn, target_id) if port in (None, target.port)]
    return [target.drain() for target in targets]


def find(group_arn, target_id):
    return [target for (other, _), target in registered.get(group_arn, {}).items() if other == target_id]


def states(group_arn):
    """Return the states of a target group's targets, by target ID and port."""
    return {key: target.state for key, target in registered.get(group_arn, {}).items()}


def state(group_arn, target_id):
    """Return the state of a target in a target group."""
    return next((target.state for target in find(group_arn, target_id)), "unused")


def for_http_targets(original, handle):
    """Return a handler of an action. MiniStack handles unknown target groups, and those of Lambda functions."""

    def choose(request):
        group = alb._tgs.get(alb._p(request, "TargetGroupArn"))
        if group is None or group.get("TargetType", "instance") not in ("instance", "ip"):
            return original(request)
        return handle(group, request)

    return choose


def register_targets(group, request):
    targets = alb._parse_targets_param(request)
    if group.get("TargetType", "instance") == "instance":
        for target in targets:
            if not instances.is_running(target["Id"]):
                message = f"The following targets are not in a running state and cannot be registered: '{target['Id']}'"
                return alb._error("InvalidTarget", message)
    for target in targets:
        register(group["TargetGroupArn"], target["Id"], target.get("Port"))
    return alb._empty("RegisterTargets")


def deregister_targets(group, request):
    for target in alb._parse_targets_param(request):
        deregister(group["TargetGroupArn"], target["Id"], target.get("Port"))
    return alb._empty("DeregisterTargets")


def describe_target_health(group, request):
    arn = group["TargetGroupArn"]
    described = list(registered.get(arn, {}).values())
    if wanted := alb._parse_targets_param(request):
        described = [target for item in wanted for target in find(arn, item["Id"]) or [item]]
    members = []
    for target in described:
        if isinstance(target, dict):  # not registered
            key, health = target, {"State": "unused", "Reason": "Target.NotRegistered"}
            health["Description"] = DESCRIPTIONS[health["Reason"]]
        else:
            key = {"Id": target.target_id, "Port": target.port}
            health = {"State": target.state, "Reason": target.reason, "Description": target.description}
        check_port = group["HealthCheckPort"]
        members.append(
            {
                "Target": key,
                "HealthCheckPort": check_port if check_port.isdigit() else key.get("Port", group["Port"]),
                "TargetHealth": health,
            }
        )
    content = api.xml("DescribeTargetHealthOutput", {"TargetHealthDescriptions": members})
    return alb._xml(200, "DescribeTargetHealth", content)


def delete_targets(original, request):
    response = original(request)
    if response[0] == 200:
        for target in list(registered.pop(alb._p(request, "TargetGroupArn"), {}).values()):
            target.forget()
    return response


# Requests


def choose(group_arn):
    """Return the target of the next request, or None. Targets take turns. If none is healthy, the load balancer fails
    open: it forwards to every target that is not draining."""
    candidates = [target for target in registered.get(group_arn, {}).values() if target.state != "draining"]
    candidates = [target for target in candidates if target.state == "healthy"] or candidates
    if not candidates:
        return None
    return candidates[next(turns.setdefault(group_arn, itertools.count())) % len(candidates)]


async def forward(original, group_arn, *arguments):
    group = alb._tgs.get(group_arn)
    if group is None or group.get("TargetType", "instance") not in ("instance", "ip"):
        return await original(group_arn, *arguments)
    target = choose(group_arn)
    if target is None:
        return error_response(503)
    method, path, headers, body, query, raw_query, raw_path = (*arguments, None, None)[:7]
    key = {"Id": target.target_id, "Port": target.port}
    return await alb._proxy_http_target(key, group, method, raw_path or path, headers, body, query, raw_query)


async def proxy(key, group, method, path, headers, body, query, raw_query=None):
    """Forward a request to a target. The load balancer does not repeat a request that fails.

    Unlike AWS, each request has a connection of its own, so a target that closes idle connections loses no request.
    """
    target = registered[group["TargetGroupArn"]][key["Id"], key["Port"]]
    timeout = float(alb._lb_attr(next(iter(group["LoadBalancerArns"]), ""), "idle_timeout.timeout_seconds", "60"))
    fields = [
        (name, value.encode("latin-1", "replace"))
        for name, value in headers.items()
        if name.lower() not in (*HOP_BY_HOP, "content-length")
    ]
    if body or method in ("POST", "PUT", "PATCH"):
        fields.append(("Content-Length", str(len(body or b""))))
    url = path + (f"?{raw_query}" if raw_query else "")
    report = current_exchange.get({})
    report.update(group_arn=group["TargetGroupArn"], target="{}:{}".format(target.target_id, target.port))
    begin = time.monotonic()
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
            logger.info("the response of %s is incomplete", key["Id"])  # the viewer notices: the last part is missing

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
