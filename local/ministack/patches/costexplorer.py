"""Cost Anomaly Detection of Cost Explorer, which MiniStack lacks: monitors, subscriptions, and their tags. It detects
nothing."""

import uuid

from ministack.core.responses import AccountScopedDict, get_account_id

import own_services
from own_services import Refusal

monitors = AccountScopedDict()  # by ARN, as in a request, with Tags
subscriptions = AccountScopedDict()


def apply():
    operations = {
        "TagResource": tag,
        "UntagResource": untag,
        "ListTagsForResource": list_tags,
    }
    for kind, store in (("Monitor", monitors), ("Subscription", subscriptions)):
        operations |= operations_of(kind, store)
    stores = {"anomaly_monitors": monitors, "anomaly_subscriptions": subscriptions}
    own_services.add("ce", operations, stores, target="AWSInsightsIndexService")


def operations_of(kind, store):
    """Return the operations on anomaly monitors or subscriptions. Their names and parameters have the same form."""
    key = f"{kind}Arn"

    def find(arn):
        if arn not in store:
            raise Refusal(f"Unknown{kind}Exception", f"The {kind.lower()} {arn} does not exist.")
        return store[arn]

    def create(request):
        requested = request[f"Anomaly{kind}"]
        check(requested)
        arn = f"arn:aws:ce::{get_account_id()}:anomaly{kind.lower()}/{uuid.uuid4()}"
        own = {"AccountId": get_account_id()} if kind == "Subscription" else {}
        tags = {item["Key"]: item["Value"] for item in request.get("ResourceTags", [])}
        store[arn] = {**own, **requested, key: arn, "Tags": tags}
        return {key: arn}

    def get(request):
        arns = request.get(f"{key}List") or list(store)
        described = [{name: value for name, value in find(arn).items() if name != "Tags"} for arn in arns]
        return {f"Anomaly{kind}s": described}

    def update(request):
        find(request[key]).update(request)
        return {key: request[key]}

    def delete(request):
        find(request[key])
        del store[request[key]]

    return {
        f"CreateAnomaly{kind}": create,
        f"GetAnomaly{kind}s": get,
        f"UpdateAnomaly{kind}": update,
        f"DeleteAnomaly{kind}": delete,
    }


def check(requested):
    """Refuse a second monitor of a dimension, of which an account has one
    (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2515), and a monitor that does not
    exist."""
    dimension = requested.get("MonitorDimension")
    if dimension and any(monitor.get("MonitorDimension") == dimension for monitor in monitors.values()):
        raise Refusal("ValidationException", "Limit exceeded on dimensional spend monitor creation")
    for arn in requested.get("MonitorArnList", []):
        if arn not in monitors:
            raise Refusal("UnknownMonitorException", f"The monitor {arn} does not exist.")


def tags_of(request):
    arn = request["ResourceArn"]
    for store in (monitors, subscriptions):
        if arn in store:
            return store[arn]["Tags"]
    raise Refusal("ResourceNotFoundException", f"The resource {arn} does not exist.")


def tag(request):
    tags_of(request).update({item["Key"]: item["Value"] for item in request["ResourceTags"]})


def untag(request):
    for key in request["ResourceTagKeys"]:
        tags_of(request).pop(key, None)


def list_tags(request):
    return {"ResourceTags": [{"Key": key, "Value": value} for key, value in tags_of(request).items()]}
