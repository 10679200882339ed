"""Patches for CloudWatch and CloudWatch Logs. Without the first and the last, Terraform's second plan would show a
change."""

import json

from ministack.services import cloudwatch, cloudwatch_logs

from patching import replace
from query_protocol import Api

api = Api("cloudwatch")


def apply():
    delivery_destinations()
    deliveries()
    alarms()


def delivery_destinations():
    """PutDeliveryDestination and GetDeliveryDestination of CloudWatch Logs: AWS returns an output format only if the
    destination has one; MiniStack returns json."""

    def put(request):
        response = original_put(request)
        if response[0] == 200 and "outputFormat" not in request:
            cloudwatch_logs._delivery_destinations[request["name"]]["outputFormat"] = None
        return response

    def describe(destination):
        return {name: value for name, value in original_describe(destination).items() if value is not None}

    original_put = replace(cloudwatch_logs, "_put_delivery_destination", put)
    original_describe = replace(cloudwatch_logs, "_format_delivery_destination", describe)


def deliveries():
    """CreateDelivery of CloudWatch Logs: MiniStack's IDs have hyphens, which AWS's do not have, and AWS refuses."""

    def create(request):
        response = original_create(request)
        if response[0] != 200:
            return response
        invalid = json.loads(response[2])["delivery"]["id"]
        valid = invalid.replace("-", "")
        delivery = cloudwatch_logs._deliveries.pop(invalid)
        cloudwatch_logs._deliveries[valid] = delivery
        delivery.update(id=valid, arn=cloudwatch_logs._make_delivery_arn(valid))
        return *response[:2], response[2].replace(invalid.encode(), valid.encode())

    original_create = replace(cloudwatch_logs, "_create_delivery", create)


def alarms():
    """PutMetricAlarm and DescribeAlarms: AWS stores and returns every field. MiniStack stores a part of them (not the
    metric queries), and returns fewer of them over the query protocol, which Terraform uses, than over JSON."""

    def put(parameters, data, is_cbor, is_json=False):
        response = original_put(parameters, data, is_cbor, is_json)
        if response[0] == 200:
            requested = data if is_cbor or is_json else api.request("PutMetricAlarm", parameters)
            alarm = cloudwatch._alarms[requested["AlarmName"]]
            alarm.update({name: value for name, value in requested.items() if name != "Tags"})
            if "Metrics" in requested or "ExtendedStatistic" in requested:
                alarm["Statistic"] = None
            if "Metrics" in requested:
                alarm["Period"] = None
        return response

    def describe(parameters, data, is_cbor, is_json=False):
        if is_cbor or is_json:
            return original_describe(parameters, data, is_cbor, is_json)
        status, headers, body = original_describe({}, api.request("DescribeAlarms", parameters), False, True)
        if status != 200:
            return original_describe(parameters, data, False)
        members = api.xml("DescribeAlarmsOutput", json.loads(body))
        result = f"<DescribeAlarmsResult>{members}</DescribeAlarmsResult>"
        return cloudwatch._xml(200, "DescribeAlarmsResponse", result)

    original_put = replace(cloudwatch, "_put_metric_alarm", put)
    original_describe = replace(cloudwatch, "_describe_alarms", describe)
