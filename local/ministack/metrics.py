"""The metrics that resources publish every minute: target health, instances, Auto Scaling groups and Redis.
load_balancer_requests.py counts requests.

Sources:
- https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
- https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_metrics_with_cloudwatch.html
- https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html
- https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheMetrics.Redis.html
"""

import asyncio
import logging
import os
import time
from pathlib import Path

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import alb, cloudwatch, elasticache

import elasticache_redis
import groups
import instances
import targets
from timing import scaled

logger = logging.getLogger("metrics")

PERIOD = 60  # seconds
FLUSH_INTERVAL = 0.5  # seconds
RETENTION = 3600  # seconds. CloudWatch keeps data for two weeks or longer
PROCESSOR = 0.5  # processors of this machine that are 100 % of an instance; instances share it with everything else
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")  # a second
# GiB of a node: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheNodes.SupportedTypes.html
MEMORY_OF_NODE = {"cache.t3.micro": 0.5, "cache.t3.small": 1.37, "cache.t3.medium": 3.09}

pending = {}  # [count, sum, minimum, maximum, unit, dimensions] by account, region, namespace, name and dimensions


def add(namespace, name, value, unit, dimensions):
    """Add a value to a metric. The values of half a second are one data point, a statistic set."""
    key = get_account_id(), get_region(), namespace, name, cloudwatch._dims_key(dimensions)
    statistics = pending.setdefault(key, [0, 0.0, value, value, unit, dimensions])
    statistics[0] += 1
    statistics[1] += value
    statistics[2] = min(statistics[2], value)
    statistics[3] = max(statistics[3], value)


def flush():
    data = list(pending.items())
    pending.clear()
    for (account, region, namespace, name, _), statistics in data:
        count, total, lowest, highest, unit, dimensions = statistics
        values = {"SampleCount": count, "Sum": total, "Minimum": lowest, "Maximum": highest}
        with request_scope(account, region):
            cloudwatch._store_datum(namespace, name, dimensions, time.time(), unit, None, None, None, values)


def suffix(arn):
    """Return the value of the dimension LoadBalancer or TargetGroup."""
    return arn.split(":", 5)[5].removeprefix("loadbalancer/")


def scopes():
    """Return the (account, region) pairs that have groups or alarms."""
    return {key[:2] for key in [*groups.groups, *cloudwatch._alarms._data]}


async def publish_all():
    """Publish every minute, divided by the time factor, until the task is cancelled."""
    cpu_before, cpu_of_redis, due, evict_at = {}, {}, 0.0, 0.0
    while True:
        await asyncio.sleep(FLUSH_INTERVAL)
        try:
            flush()
            now = time.monotonic()
            if now < due:
                continue
            due = now + scaled(PERIOD / 3)  # three times a period, so that no period is without data
            roots = {instance.process.pid for instance in instances.booted.values() if instance.process}
            usage = await asyncio.to_thread(cpu_seconds, roots)
            for account, region in scopes():
                with request_scope(account, region):
                    await publish_scope(usage, cpu_before, cpu_of_redis)
            if now > evict_at:
                evict()
                evict_at = now + 60
        except Exception:
            logger.exception("metrics are not published")


async def publish_scope(usage, cpu_before, cpu_of_redis):
    """Publish the metrics of the current account and region. Log the exceptions."""
    try:
        publish_target_health()
        publish_instances(usage, cpu_before)
        publish_groups()
        await publish_redis(cpu_of_redis)
    except Exception:
        logger.exception("metrics are not published")


def evict():
    """Delete old data, of every account and region."""
    for points in cloudwatch._metrics._data.values():
        points[:] = [point for point in points if point["Timestamp"] > time.time() - RETENTION]


def publish_target_health():
    """HealthyHostCount and UnHealthyHostCount, of the target groups of the current account and region that have
    targets."""
    for group_arn, members in targets.registered.items():
        states = [target.state for target in members.values() if target.state in ("healthy", "unhealthy")]
        group = alb._tgs.get(group_arn)
        if not states or group is None:
            continue
        for load_balancer in group["LoadBalancerArns"]:
            dimensions = {"TargetGroup": suffix(group_arn), "LoadBalancer": suffix(load_balancer)}
            for name, state in (("HealthyHostCount", "healthy"), ("UnHealthyHostCount", "unhealthy")):
                cloudwatch.record_metric("AWS/ApplicationELB", name, states.count(state), "Count", dimensions)


def publish_instances(usage, before):
    """CPUUtilization of instances. before has the last measurements."""
    now = time.monotonic()
    for instance in list(instances.booted.values()):
        if (instance.account, instance.region) != (get_account_id(), get_region()) or instance.process is None:
            continue
        used = usage.get(instance.process.pid, 0.0)
        then, used_then = before.get(instance.id, (None, 0.0))
        before[instance.id] = now, used
        if then is None or now <= then:
            continue
        percent = min(100.0, max(0.0, used - used_then) / (now - then) / PROCESSOR * 100)
        dimensions = [{"InstanceId": instance.id}]
        if group := groups.of_instance(instance.id):
            dimensions.append({"AutoScalingGroupName": group.name})
        for each in dimensions:
            cloudwatch.record_metric("AWS/EC2", "CPUUtilization", percent, "Percent", each)


def cpu_seconds(roots):
    """Return the processor time of each process of roots with its descendants, by process ID, in seconds.

    On macOS, it is zero.
    """
    parents, ticks = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.name)
        parents[pid] = int(fields[1])
        ticks[pid] = sum(int(field) for field in fields[11:15])  # with its children that have ended
    total = dict.fromkeys(roots, 0.0)
    for pid, used in ticks.items():
        ancestor = pid
        while ancestor not in roots and ancestor in parents:
            ancestor = parents[ancestor]
        if ancestor in roots:
            total[ancestor] += used / CLOCK_TICKS
    return total


def publish_groups():
    for group in groups.all_groups():
        for name, value in group.metrics().items():
            cloudwatch.record_metric("AWS/AutoScaling", name, value, "None", {"AutoScalingGroupName": group.name})


async def publish_redis(cpu_before):
    for name, group in list(elasticache._replication_groups.items()):
        fields = await asyncio.to_thread(elasticache_redis.information, name)
        values = {}
        if "used_memory" in fields:
            memory = MEMORY_OF_NODE.get(group.get("CacheNodeType"), 0.5) * 2**30
            values["DatabaseMemoryUsagePercentage"] = int(fields["used_memory"]) / memory * 100
        if "keyspace_hits" in fields:
            hits, misses = int(fields["keyspace_hits"]), int(fields["keyspace_misses"])
            values["CacheHitRate"] = 100 * hits / (hits + misses) if hits + misses else 0.0
        if "used_cpu_user" in fields:
            now, used = time.monotonic(), float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])
            then, used_then = cpu_before.get(name, (now, used))
            cpu_before[name] = now, used
            if now > then:
                values["CPUUtilization"] = values["EngineCPUUtilization"] = (used - used_then) / (now - then) * 100
        for member in group.get("MemberClusters", []):
            for metric, value in values.items():
                cloudwatch.record_metric("AWS/ElastiCache", metric, value, "Percent", {"CacheClusterId": member})
