"""Patches for IAM checks that MiniStack makes differently from AWS, in the same form as those in patches/."""

import json

from defusedxml.ElementTree import fromstring
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import acm, autoscaling, cloudfront, cognito, dynamodb, ec2, iam, sts, tagging

from patching import replace

# https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/
GITHUB_CLAIMS = (
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "workflow",
)


def apply():
    actions()
    resources()
    unknown_resources()
    resource_tags()
    request_tags()
    leading_keys()
    changed_records()
    source_instances()
    permissions_boundaries()
    passed_roles()
    web_identity_claims()


def actions():
    """CreateDistributionWithTags: AWS checks cloudfront:CreateDistribution and cloudfront:TagResource; MiniStack checks
    an action that does not exist. Likewise Budgets, which has two actions for all operations on budgets, notifications
    and subscribers (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbudgetservice.html)."""

    def action(service, method, path, headers, body, query):
        name = original_action(service, method, path, headers, body, query)
        if service == "budgets" and name and not name.endswith(("Resource", "TagsForResource")):
            return "budgets:ViewBudget" if ":Describe" in name else "budgets:ModifyBudget"
        return name and name.removesuffix("WithTags")

    original_action = replace(iam_actions, "extract_iam_action", action)


def resources():
    """Every call: AWS checks every resource that the call uses; MiniStack checks one resource, or "*" if it does not
    find one. The policies name resources, and MiniStack derives other ARNs than AWS for these:

    - AddRoleToInstanceProfile: AWS checks the instance profile; MiniStack checks the role.
    - GetParameter of a public parameter: its ARN has no account ID.
    - Rules of EventBridge: the ARN of one on the default bus has no bus
      (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html). For calls with
      the parameter Rule, MiniStack checks the bus.
    - Auto Scaling groups: the ARN contains an ID that is in no request; MiniStack puts a "*" there.
    - Log streams: MiniStack checks the log group. AWS checks the stream
      (https://github.com/aws-solutions/aws-crr-monitor/issues/8 has the error message).
    - EC2: MiniStack does not find the resource. A new resource does not exist yet and has no tags. The ID of an
      existing resource is one of the parameters.
    """

    def resource(service, method, path, headers, body, query, region, account):
        profile = "".join(query.get("InstanceProfileName", ""))
        if service == "iam" and profile:
            return f"arn:aws:iam::{account}:instance-profile/{profile}"
        arn = original_resource(service, method, path, headers, body, query, region, account)
        if service == "logs" and ":log-group:" in arn and (stream := json.loads(body).get("logStreamName")):
            arn += f":log-stream:{stream}"
        if ":autoScalingGroup:*:" in arn:
            arn = autoscaling._asgs.get(arn.rpartition("/")[2], {}).get("AutoScalingGroupARN", arn)
        if service == "ec2" and arn == "*":
            arn = ec2_resource(query, f"arn:aws:ec2:{region}:{account}:")
        if service == "events" and (rule := json.loads(body or "{}").get("Rule")):
            arn = f"arn:aws:events:{region}:{account}:rule/{rule}"
        arn = arn.replace(":rule/default/", ":rule/")
        return arn.replace(f":{account}:parameter/aws/", "::parameter/aws/")

    def ec2_resource(query, prefix):
        parameters = {name: "".join(value) for name, value in query.items()}

        def is_resource(name, value):  # a peering connection of another account has no tag
            return name == "ResourceId.1" or value in ec2._tags or value in ec2._vpc_peering

        existing = [value for name, value in parameters.items() if is_resource(name, value)]
        if existing:
            kinds = {"sg": "security-group", "lt": "launch-template", "pcx": "vpc-peering-connection"}
            return prefix + kinds.get(existing[0].split("-")[0], "resource") + "/" + existing[0]
        is_new = parameters["Action"].startswith(("Allocate", "Create"))
        return prefix + "resource/new" if is_new else "*"

    original_resource = replace(iam_actions, "extract_resource_arn", resource)


def unknown_resources():
    """Calls whose resource MiniStack does not find: MiniStack checks "*", which only a statement for "*" allows. Accept
    any resource of the statement, and ignore its conditions on resource tags. So these calls check the action only."""

    def is_match(arn, resources, not_resources):
        return arn == "*" or original_matches(arn, resources, not_resources)

    def conditions(statement, context):
        if context.resource_arn == "*":
            statement = {
                operator: {key: value for key, value in keys.items() if not key.startswith("aws:ResourceTag/")}
                for operator, keys in statement.items()
            }
        return original_conditions(statement, context)

    original_matches = replace(iam_evaluator, "_resource_matches", is_match)
    original_conditions = replace(iam_evaluator, "_conditions_met", conditions)


def resource_tags():
    """aws:ResourceTag: MiniStack does not find the tags of resources of EC2, CloudFront and Certificate Manager. The
    policies limit changes to resources with the project's tags."""
    stores = {
        "ec2": lambda arn: ec2._tags.get(arn.split("/")[-1]),
        "cloudfront": lambda arn: cloudfront._tags.get(arn),
        "acm": lambda arn: (acm._certificates.get(arn) or {}).get("Tags"),
    }

    def find(arn):
        service = (arn + "::").split(":")[2]  # the ARN may be "*"
        if service in stores:
            return {tag["Key"]: tag.get("Value", "") for tag in stores[service](arn) or []}
        return original_find(arn)

    original_find = replace(tagging, "resource_tags", find)


def request_tags():
    """aws:RequestTag: MiniStack does not find the tags in TagSpecifications, the parameter for tags of new EC2
    resources, and those in the XML of CloudFront's calls. The policies require the project's tags on new resources."""

    def context(service, action, body, params):
        context = original_context(service, action, body, params)
        if service == "cloudfront" and body[:1] == b"<":
            for tag in fromstring(body).findall(".//{*}Tags/{*}Items/{*}Tag"):
                context[f"aws:RequestTag/{tag.findtext('{*}Key')}".lower()] = tag.findtext("{*}Value")
        return context

    original_context = replace(iam_actions, "request_tag_context", context)
    replace(iam_actions, "_TAG_MEMBERS", iam_actions._TAG_MEMBERS | {"TagSpecifications"})


def leading_keys():
    """dynamodb:LeadingKeys, the partition key of the item: MiniStack does not set it. The policies on the lock table
    use it."""

    def context(body):
        request, context = json.loads(body or b"{}"), original_context(body)
        table = dynamodb._tables.get(request.get("TableName"))
        item = request.get("Key") or request.get("Item")
        if table and item:
            hash_key = next(key["AttributeName"] for key in table["KeySchema"] if key["KeyType"] == "HASH")
            context["dynamodb:LeadingKeys"] = list(item[hash_key].values())
        return context

    original_context = replace(iam_actions, "dynamodb_service_context", context)


def changed_records():
    """route53:ChangeResourceRecordSetsNormalizedRecordNames and ...RecordTypes, the names (in lower case, without the
    final dot) and the types of the records in the request: MiniStack does not set them. The policies limit the records
    that a deploy may change.
    """

    def context(service, action, body, params):
        context = original_context(service, action, body, params)
        if action == "route53:ChangeResourceRecordSets":
            records = fromstring(body).findall(".//{*}ResourceRecordSet")
            names = [record.findtext("{*}Name").lower().removesuffix(".") for record in records]
            context[action + "NormalizedRecordNames"] = names
            context[action + "RecordTypes"] = [record.findtext("{*}Type") for record in records]
        return context

    original_context = replace(iam_actions, "request_tag_context", context)


def source_instances():
    """ec2:SourceInstanceARN, the instance whose metadata service has issued the credentials: MiniStack does not set it.
    The boundary of the instances' roles lets them read parameters from an instance only."""

    def keys(credential):
        keys = original_keys(credential)
        instance = (sts._sessions.get(credential.access_key_id) or {}).get("SourceInstanceARN")
        return keys | ({"ec2:sourceinstancearn": instance} if instance else {})

    original_keys = replace(iam_evaluator, "_principal_keys", keys)


def permissions_boundaries():
    """iam:PermissionsBoundary, the boundary in the request or of the existing role: MiniStack does not set it. The
    deploy role may create and change only roles with the boundary."""

    def context(service, action, body, params):
        context = original_context(service, action, body, params)
        if service == "iam":
            role = iam._roles.get("".join(params.get("RoleName", ""))) or {}
            requested = "".join(params.get("PermissionsBoundary", ""))
            context["iam:PermissionsBoundary"] = requested or role.get("PermissionsBoundary")
        return context

    original_context = replace(iam_actions, "request_tag_context", context)


def passed_roles():
    """AddRoleToInstanceProfile and CreateFlowLogs: AWS also requires iam:PassRole on the role; MiniStack does not check
    it. The policies name the roles that may be passed."""

    def context(service, action, body, params):
        context = original_context(service, action, body, params)
        if action == "iam:AddRoleToInstanceProfile":
            role = f"arn:aws:iam::{get_account_id()}:role/{''.join(params.get('RoleName', ''))}"
            context["passed"] = (role, "ec2.amazonaws.com")
        if action == "ec2:CreateFlowLogs":
            role = "".join(params.get("DeliverLogsPermissionArn", ""))
            context["passed"] = (role, "vpc-flow-logs.amazonaws.com")
        return context

    def enforce(access_key, action, service, region, resource_arn="*", service_context=None):
        context = dict(service_context or {})
        role, receiver = context.pop("passed", (None, None))
        denied = original_enforce(access_key, action, service, region, resource_arn, context)
        if role and not denied:
            passed = {"iam:PassedToService": receiver}
            denied = original_enforce(access_key, "iam:PassRole", "iam", region, role, passed)
        return denied

    original_context = replace(iam_actions, "request_tag_context", context)
    original_enforce = replace(iam_evaluator, "enforce", enforce)


def web_identity_claims():
    """AssumeRoleWithWebIdentity: AWS compares the claims in GITHUB_CLAIMS with the role's trust policy; MiniStack
    compares aud, sub and amr only. The trust policies use these claims."""

    def principal(token, provider, role):
        arn, keys = original_principal(token, provider, role)
        claims = cognito._token_claims(token)
        host = str(claims.get("iss", "")).split("://")[-1]
        return arn, keys | {f"{host}:{name}": claims[name] for name in GITHUB_CLAIMS if name in claims}

    original_principal = replace(sts, "_web_identity_principal", principal)
