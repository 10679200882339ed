"""The targets of Application Load Balancers: registration, health checks and draining.

MiniStack reports every registered target as healthy. Here the load balancer checks the health of each target with HTTP
requests, and drains the targets that are deregistered. MiniStack keeps the records of load balancers, listeners, rules
and target groups.

Sources:
- https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
- https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
- https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
  (deregistration delay)
"""

import asyncio
import logging
import time

import h11
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import alb

import instances
from http_exchange import Exchange
from patching import replace
from query_protocol import Api
from timing import scaled

logger = logging.getLogger("targets")

LEAST_INTERVAL = 0.2  # seconds between health checks

DESCRIPTIONS = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.Timeout": "Request timed out",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
}

api = Api("elbv2")
registered = {}  # the targets of each target group, by its ARN: {(target ID, port): Target}


def apply():
    actions = alb._ACTION_MAP
    for name, handle in {
        "RegisterTargets": register_targets,
        "DeregisterTargets": deregister_targets,
        "DescribeTargetHealth": describe_target_health,
    }.items():
        actions[name] = for_http_targets(actions[name], handle)
    original_delete = replace(actions, "DeleteTargetGroup", lambda request: delete_targets(original_delete, request))


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
        timeout = settings["HealthCheckTimeoutSeconds"]  # not shortened, because a target needs as long as on AWS
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
        if is_success(exchange.status, settings["Matcher"]["HttpCode"]):
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


def is_success(status, codes):
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
