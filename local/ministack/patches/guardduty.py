"""GuardDuty, which MiniStack lacks: one detector in a region, its features, and its tags. It finds nothing."""

import time
import uuid
from urllib.parse import unquote

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region

import own_services
from own_services import Refusal

# A new detector has all features but RUNTIME_MONITORING and EKS_RUNTIME_MONITORING
# (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html).
FOUNDATION = ("CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS")
ENABLED = ("S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS")
# AWS returns every agent, in an order that is not the request's
# (https://github.com/hashicorp/terraform-provider-aws/issues/36400).
AGENTS = {
    "EKS_RUNTIME_MONITORING": ("EKS_ADDON_MANAGEMENT",),
    "RUNTIME_MONITORING": ("ECS_FARGATE_AGENT_MANAGEMENT", "EKS_ADDON_MANAGEMENT", "EC2_AGENT_MANAGEMENT"),
}

detectors = AccountRegionScopedDict()  # by ID


def apply():
    operations = {
        "CreateDetector": create,
        "GetDetector": get,
        "UpdateDetector": update,
        "DeleteDetector": delete,
        "ListDetectors": lambda request: {"detectorIds": list(detectors)},
        "TagResource": tag,
        "UntagResource": untag,
        "ListTagsForResource": lambda request: {"tags": by_arn(request)["tags"]},
    }
    own_services.add("guardduty", operations, {"detectors": detectors})


def create(request):
    if len(detectors) > 0:
        raise bad_request("a detector already exists for the current account.")
    detector_id = uuid.uuid4().hex
    features = {name: {"status": "ENABLED"} for name in FOUNDATION + ENABLED}
    features |= {
        name: {"status": "DISABLED", "agents": dict.fromkeys(agents, "DISABLED")} for name, agents in AGENTS.items()
    }
    detectors[detector_id] = {
        "createdAt": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "findingPublishingFrequency": "SIX_HOURS",
        "status": "ENABLED",
        "tags": request.get("tags", {}),
        "features": features,
    }
    update(request | {"DetectorId": detector_id})
    return {"detectorId": detector_id}


def get(request):
    detector = find(request["DetectorId"])
    role = "aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty"
    return {
        **detector,
        "serviceRole": f"arn:aws:iam::{get_account_id()}:role/{role}",
        "features": [describe(name, feature) for name, feature in detector["features"].items()],
    }


def describe(name, feature):
    described = {"name": name, "status": feature["status"]}
    if "agents" in feature:
        agents = feature["agents"].items()
        described["additionalConfiguration"] = [{"name": agent, "status": status} for agent, status in agents]
    return described


def update(request):
    detector = find(request["DetectorId"])
    if "enable" in request:
        detector["status"] = "ENABLED" if request["enable"] else "DISABLED"
    if request.get("findingPublishingFrequency"):
        detector["findingPublishingFrequency"] = request["findingPublishingFrequency"]
    for change in request.get("features", []):
        feature = detector["features"].get(change["name"])
        if feature is None or change["name"] in FOUNDATION:
            raise bad_request(f"{change['name']} is not a feature that can be changed.")
        feature["status"] = change["status"]
        for agent in change.get("additionalConfiguration", []):
            if agent["name"] not in feature.get("agents", {}):
                raise bad_request(f"{agent['name']} is no configuration of {change['name']}.")
            feature["agents"][agent["name"]] = agent["status"]
    if all(detector["features"][name]["status"] == "ENABLED" for name in AGENTS):
        raise bad_request("only one of EKS_RUNTIME_MONITORING and RUNTIME_MONITORING can be enabled.")


def delete(request):
    find(request["DetectorId"])
    del detectors[request["DetectorId"]]


def tag(request):
    by_arn(request)["tags"].update(request["tags"])


def untag(request):
    keys = request["tagKeys"]
    for key in keys if isinstance(keys, list) else [keys]:
        by_arn(request)["tags"].pop(key, None)


def by_arn(request):
    prefix, _, detector_id = unquote(request["ResourceArn"]).rpartition("/")
    if prefix != f"arn:aws:guardduty:{get_region()}:{get_account_id()}:detector":
        raise bad_request("the ARN is not one of a detector.")
    return find(detector_id)


def find(detector_id):
    if detector_id not in detectors:
        raise bad_request("the input detectorId is not owned by the current account.")
    return detectors[detector_id]


def bad_request(reason):
    return Refusal("BadRequestException", "The request is rejected because " + reason)
