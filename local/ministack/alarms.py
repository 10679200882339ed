"""Alarms that evaluate themselves, as CloudWatch does: their own metric, metric math, and missing data. MiniStack
evaluates when metric data is put, and neither looks at dimensions nor at missing data.

Periods are divided by the time factor.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

import asyncio
import logging
import re
import time

from ministack.core.responses import get_account_id, request_scope
from ministack.services import cloudwatch, sns

import timing
from patching import replace

logger = logging.getLogger("alarms")

INTERVAL = 1  # seconds between evaluations
COMPARE = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
# The metric math of the alarms: a sum of metrics, whose missing data is a number.
TERM = re.compile(r"FILL\((\w+), *(\d+)\)")

first_seen = {}  # when each alarm was first evaluated, by ARN


def apply():
    replace(cloudwatch, "_evaluate_all_alarms", lambda: None)
    replace(cloudwatch, "_evaluate_alarm", lambda alarm: None)


async def evaluate_all():
    """Evaluate every alarm until the task is cancelled."""
    while True:
        await asyncio.sleep(INTERVAL)
        for (account, region, name), alarm in list(cloudwatch._alarms._data.items()):
            try:
                with request_scope(account, region):
                    evaluate(alarm)
            except Exception:
                logger.exception("alarm %s is not evaluated", name)


def evaluate(alarm):
    now = time.time()
    begin = first_seen.setdefault(alarm["AlarmArn"], now)
    query = alarm.get("Metrics")
    seconds = (query and period_of(query)) or alarm.get("Period") or 60
    seconds = timing.scaled(seconds, 1)
    periods = alarm["EvaluationPeriods"]
    if now < begin + seconds * periods:
        return  # a new alarm has insufficient data
    values = [datapoint(alarm, now - seconds * (i + 1), now - seconds * i) for i in range(periods)]
    state, reason = state_of(alarm, values)
    if state != alarm["StateValue"]:
        set_state(alarm, state, reason)


def state_of(alarm, values):
    """Return the state for the values of the evaluation periods, newest first, where None is missing data."""
    compare, threshold = COMPARE[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    treat = alarm.get("TreatMissingData") or "missing"
    present = [value for value in values if value is not None]
    if not present and treat == "missing":
        return "INSUFFICIENT_DATA", "Insufficient Data: no datapoints were received"
    if not present and treat == "ignore":
        return alarm["StateValue"], ""
    breaching = sum(compare(value, threshold) for value in present)
    if treat == "breaching":
        breaching += len(values) - len(present)
    shown = "no datapoints" if not present else ", ".join(f"{value:g}" for value in present)
    needed = alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
    if treat in ("missing", "ignore"):
        needed = min(needed, len(present))
    crossed = breaching >= needed
    verb = "were" if crossed else "were not all"
    reason = f"Threshold Crossed: the datapoints [{shown}] {verb} {alarm['ComparisonOperator']} {threshold:g}"
    return ("ALARM" if crossed else "OK"), reason


def set_state(alarm, state, reason):
    previous = alarm["StateValue"]
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], previous, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm | permitted_actions(alarm), previous, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def permitted_actions(alarm):
    """Return the actions of an alarm without the topics whose policy does not allow CloudWatch to publish
    (https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html)."""

    def permitted(arn):
        source = alarm["AlarmArn"], get_account_id()
        return ":sns:" not in arn or sns.topic_policy_allows(arn, "cloudwatch.amazonaws.com", *source)

    names = ("AlarmActions", "OKActions", "InsufficientDataActions")
    return {name: [arn for arn in alarm.get(name) or [] if permitted(arn)] for name in names}


def datapoint(alarm, begin, end):
    """Return the value of the alarm's metric or expression in a period, or None if there is no data."""
    if not alarm.get("Metrics"):
        statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
        return statistic_of(alarm["Namespace"], alarm["MetricName"], alarm.get("Dimensions"), statistic, begin, end)
    queries = {query["Id"]: query for query in alarm["Metrics"]}
    expression = next(query["Expression"] for query in alarm["Metrics"] if query.get("Expression"))
    terms = TERM.findall(expression)
    if " + ".join(f"FILL({name}, {fill})" for name, fill in terms) != expression:
        logger.warning("alarm %s: the expression %r is not supported", alarm["AlarmName"], expression)
        return None
    total = 0.0
    for name, fill in terms:
        stat = queries[name]["MetricStat"]
        metric = stat["Metric"]
        value = statistic_of(
            metric["Namespace"], metric["MetricName"], metric.get("Dimensions"), stat["Stat"], begin, end
        )
        total += float(fill) if value is None else value
    return total


def period_of(queries):
    return next((query["MetricStat"]["Period"] for query in queries if query.get("MetricStat")), None)


def statistic_of(namespace, name, dimensions, statistic, begin, end):
    key = namespace, name, cloudwatch._dims_key(cloudwatch._dims_from_list(dimensions or []))
    points = []
    for point in reversed(cloudwatch._metrics.get(key, [])):  # newest first
        if point["Timestamp"] <= begin:
            break
        if point["Timestamp"] <= end:
            points.append(point)
    if not points:
        return None
    return cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points)
