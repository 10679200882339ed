"""Shield Advanced, which MiniStack lacks: the account's subscription, protections, and their tags."""

import time
import uuid

from ministack.core.responses import AccountScopedDict, get_account_id

import own_services
from own_services import Refusal

YEAR = 365 * 24 * 60 * 60  # seconds

# Not a resource that introspection.py lists: nothing that this project calls ends a subscription.
subscriptions = AccountScopedDict()  # by the account's ID
protections = AccountScopedDict()  # by ID
tags = AccountScopedDict()  # by ARN


def apply():
    operations = {
        "CreateSubscription": subscribe,
        "DescribeSubscription": lambda request: {"Subscription": find_subscription()},
        "CreateProtection": create,
        "DescribeProtection": lambda request: {"Protection": find(request)},
        "ListProtections": lambda request: {"Protections": list(protections.values())},
        "DeleteProtection": delete,
        "ListTagsForResource": lambda request: {"Tags": as_list(tags_of(request["ResourceARN"]))},
        "TagResource": lambda request: tags_of(request["ResourceARN"]).update(as_map(request["Tags"])),
    }
    own_services.add("shield", operations, {"protections": protections}, target="AWSShield_20160616")


def subscribe(request):
    if get_account_id() in subscriptions:
        raise Refusal("ResourceAlreadyExistsException", "The subscription already exists")
    subscriptions[get_account_id()] = {
        "SubscriptionArn": f"arn:aws:shield::{get_account_id()}:subscription",
        "StartTime": time.time(),
        "EndTime": time.time() + YEAR,
        "TimeCommitmentInSeconds": YEAR,
        "AutoRenew": "ENABLED",
        "SubscriptionLimits": {
            "ProtectionLimits": {"ProtectedResourceTypeLimits": []},
            "ProtectionGroupLimits": {
                "MaxProtectionGroups": 100,
                "PatternTypeLimits": {"ArbitraryPatternLimits": {"MaxMembers": 100}},
            },
        },
    }


def find_subscription():
    if get_account_id() not in subscriptions:
        raise Refusal("ResourceNotFoundException", "The subscription does not exist.")
    return subscriptions[get_account_id()]


def create(request):
    find_subscription()
    if any(protection["ResourceArn"] == request["ResourceArn"] for protection in protections.values()):
        raise Refusal("ResourceAlreadyExistsException", "The protection already exists")
    protection_id = str(uuid.uuid4())
    arn = f"arn:aws:shield::{get_account_id()}:protection/{protection_id}"
    protections[protection_id] = {
        "Id": protection_id,
        "ProtectionArn": arn,
        "Name": request["Name"],
        "ResourceArn": request["ResourceArn"],
        "HealthCheckIds": [],
    }
    tags[arn] = as_map(request.get("Tags", []))
    return {"ProtectionId": protection_id}


def find(request):
    for protection in protections.values():
        if request.get("ProtectionId") == protection["Id"] or request.get("ResourceArn") == protection["ResourceArn"]:
            return protection
    raise Refusal("ResourceNotFoundException", "The referenced protection does not exist.")


def delete(request):
    tags.pop(find(request)["ProtectionArn"], None)
    del protections[request["ProtectionId"]]


def tags_of(arn):
    if arn not in tags:
        raise Refusal("ResourceNotFoundException", "The referenced resource does not exist.")
    return tags[arn]


def as_map(listed):
    return {tag["Key"]: tag["Value"] for tag in listed}


def as_list(mapped):
    return [{"Key": key, "Value": value} for key, value in mapped.items()]
