"""X-Ray, which MiniStack lacks: sampling rules, groups, and their tags. It takes no traces."""

import time
import uuid

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region

import own_services
from own_services import Refusal

# Every account has this rule (https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html).
DEFAULT_RULE = {
    "RuleName": "Default",
    "Priority": 10000,
    "FixedRate": 0.05,
    "ReservoirSize": 1,
    "ServiceName": "*",
    "ServiceType": "*",
    "Host": "*",
    "HTTPMethod": "*",
    "URLPath": "*",
    "ResourceARN": "*",
    "Version": 1,
    "Attributes": {},
}

rules = AccountRegionScopedDict()  # records, by name
groups = AccountRegionScopedDict()  # by name
tags = AccountRegionScopedDict()  # by ARN


def apply():
    operations = {
        "CreateSamplingRule": create_rule,
        "GetSamplingRules": get_rules,
        "UpdateSamplingRule": update_rule,
        "DeleteSamplingRule": delete_rule,
        "CreateGroup": create_group,
        "GetGroup": lambda request: {"Group": find_group(request)},
        "UpdateGroup": update_group,
        "DeleteGroup": delete_group,
        "ListTagsForResource": lambda request: {"Tags": as_list(tags_of(request))},
        "TagResource": lambda request: tags_of(request).update(as_map(request["Tags"])),
        "UntagResource": untag,
    }
    own_services.add("xray", operations, {"rules": rules, "groups": groups})


def arn(resource):
    return f"arn:aws:xray:{get_region()}:{get_account_id()}:{resource}"


def create_rule(request):
    rule = {"Attributes": {}, **request["SamplingRule"]}
    name = rule["RuleName"]
    if name in rules:
        raise Refusal("InvalidRequestException", f"The sampling rule {name} already exists")
    rule["RuleARN"] = arn(f"sampling-rule/{name}")
    rules[name] = {"SamplingRule": rule, "CreatedAt": time.time(), "ModifiedAt": time.time()}
    tags[rule["RuleARN"]] = as_map(request.get("Tags", []))
    return {"SamplingRuleRecord": rules[name]}


def get_rules(request):
    default = {
        "SamplingRule": DEFAULT_RULE | {"RuleARN": arn("sampling-rule/Default")},
        "CreatedAt": 0,
        "ModifiedAt": 0,
    }
    return {"SamplingRuleRecords": [*rules.values(), default]}


def find_rule(request):
    name = request.get("RuleName") or request.get("RuleARN", "").rpartition("/")[2]
    if name not in rules:
        raise Refusal("InvalidRequestException", f"The sampling rule {name} does not exist")
    return rules[name]


def update_rule(request):
    record = find_rule(request["SamplingRuleUpdate"])
    record["SamplingRule"].update(request["SamplingRuleUpdate"])
    record["ModifiedAt"] = time.time()
    return {"SamplingRuleRecord": record}


def delete_rule(request):
    record = find_rule(request)
    del rules[record["SamplingRule"]["RuleName"]]
    del tags[record["SamplingRule"]["RuleARN"]]
    return {"SamplingRuleRecord": record}


def create_group(request):
    name = request["GroupName"]
    if name in groups:
        raise Refusal("InvalidRequestException", f"The group {name} already exists")
    groups[name] = {
        "GroupName": name,
        "GroupARN": arn(f"group/{name}/{uuid.uuid4().hex.upper()}"),
        "FilterExpression": request.get("FilterExpression", ""),
        "InsightsConfiguration": insights(request),
    }
    tags[groups[name]["GroupARN"]] = as_map(request.get("Tags", []))
    return {"Group": groups[name]}


def insights(request):
    return {"InsightsEnabled": False, "NotificationsEnabled": False} | request.get("InsightsConfiguration", {})


def find_group(request):
    for group in groups.values():
        if request.get("GroupName") == group["GroupName"] or request.get("GroupARN") == group["GroupARN"]:
            return group
    raise Refusal("InvalidRequestException", "Group not found")


def update_group(request):
    group = find_group(request)
    group["FilterExpression"] = request.get("FilterExpression", group["FilterExpression"])
    if "InsightsConfiguration" in request:
        group["InsightsConfiguration"] = insights(request)
    return {"Group": group}


def delete_group(request):
    group = find_group(request)
    del groups[group["GroupName"]]
    del tags[group["GroupARN"]]


def tags_of(request):
    if request["ResourceARN"] not in tags:
        raise Refusal("ResourceNotFoundException", f"{request['ResourceARN']} does not exist")
    return tags[request["ResourceARN"]]


def untag(request):
    for key in request["TagKeys"]:
        tags_of(request).pop(key, None)


def as_map(tag_list):
    return {tag["Key"]: tag["Value"] for tag in tag_list}


def as_list(tag_map):
    return [{"Key": key, "Value": value} for key, value in tag_map.items()]
