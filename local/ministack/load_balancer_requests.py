"""What the load balancers report about requests: metrics, and access logs in CloudWatch Logs.

Sources:
- https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
- https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html (the fields)
"""

import json
import time
from datetime import UTC, datetime

from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, cloudwatch_logs

import forwarding
import metrics
from metrics import suffix
from patching import replace


def apply():
    async def dispatch(load_balancer, method, path, headers, body, *arguments, **options):
        exchange, begin = {}, time.time()
        forwarding.current_exchange.set(exchange)  # the task serves this request only
        response = await original_dispatch(load_balancer, method, path, headers, body, *arguments, **options)
        publish(load_balancer, response[0], exchange)
        query = options.get("raw_query_string")
        url = path + (f"?{query}" if query else "")
        log(load_balancer, begin, method, url, headers, body, response[0], exchange)
        return response

    original_dispatch = replace(alb, "dispatch_request", dispatch)


def publish(load_balancer, status, exchange):
    balancer = {"LoadBalancer": suffix(load_balancer["LoadBalancerArn"])}
    everywhere = [balancer]
    if "group_arn" in exchange:
        everywhere.append({**balancer, "TargetGroup": suffix(exchange["group_arn"])})
    for dimensions in everywhere:
        metrics.add("AWS/ApplicationELB", "RequestCount", 1, "Count", dimensions)
        if "status" in exchange:
            name = f"HTTPCode_Target_{exchange['status'] // 100}XX_Count"
            metrics.add("AWS/ApplicationELB", name, 1, "Count", dimensions)
            metrics.add("AWS/ApplicationELB", "TargetResponseTime", exchange["seconds"], "Seconds", dimensions)
    if "status" not in exchange and status >= 400:
        metrics.add("AWS/ApplicationELB", f"HTTPCode_ELB_{status // 100}XX_Count", 1, "Count", balancer)


def log(load_balancer, begin, method, url, headers, body, status, exchange):
    """Write an entry to the log groups of the load balancer's deliveries. AWS delivers every five minutes."""
    groups = list(destinations(load_balancer["LoadBalancerArn"]))
    if not groups:
        return
    fields = {name.lower(): value for name, value in headers.items()}
    scheme = fields.get("x-forwarded-proto", "http")
    seconds = exchange.get("seconds", -1)
    entry = {
        "type": scheme,
        "time": timestamp(time.time()),
        "elb": suffix(load_balancer["LoadBalancerArn"]),
        "client_ip": fields.get("x-forwarded-for", "127.0.0.1").split(",")[-1].strip(),
        "target": exchange.get("target", "-"),
        "target_processing_time": round(seconds, 3),
        "elb_status_code": status,
        "target_status_code": exchange.get("status", "-"),
        "received_bytes": len(body or b""),
        "request_line": f"{method} {scheme}://{fields.get('host', '-')}{url} HTTP/1.1",
        "user_agent": fields.get("user-agent", "-"),
        "target_group_arn": exchange.get("group_arn", "-"),
        "request_creation_time": timestamp(begin),
    }
    for group in groups:
        write(group, json.dumps(entry))


def timestamp(seconds):
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def destinations(load_balancer_arn):
    """Yield the names of the log groups to which the load balancer's access logs are delivered."""
    for delivery in cloudwatch_logs._deliveries.values():
        source = cloudwatch_logs._delivery_sources.get(delivery["deliverySourceName"], {})
        if load_balancer_arn not in source.get("resourceArns", []) or source.get("logType") != "ALB_ACCESS_LOGS":
            continue
        for destination in cloudwatch_logs._delivery_destinations.values():
            if destination["arn"] == delivery["deliveryDestinationArn"]:
                group = destination["deliveryDestinationConfiguration"]["destinationResourceArn"]
                yield group.split(":log-group:")[1].removesuffix(":*")


def write(group, message):
    stream = f"AWSLogs/{get_account_id()}/{get_region()}"
    if group in cloudwatch_logs._log_groups:
        if stream not in cloudwatch_logs._log_groups[group]["streams"]:
            cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
        event = {"timestamp": int(time.time() * 1000), "message": message}
        cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": [event]})
