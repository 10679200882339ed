"""What MiniStack asks of IAM otherwise than AWS does, put right in the same way as in patches.py."""

import json

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import acm, autoscaling, cloudfront, cognito, dynamodb, ec2, iam, sts, tagging

from patches import replace


def apply():
    calls()
    web_identities()


def calls():
    """What IAM is asked about a call. AWS looks at every resource that it touches; the emulator at one, or where it
    cannot tell which, at "*". Then any resource of a policy's statement is taken, and its conditions on a resource's
    tags are left out: of such a call only the action is checked."""
    def action(service, method, path, headers, body, query):
        # CreateDistributionWithTags is the action CreateDistribution, with TagResource.
        name = emulated_action(service, method, path, headers, body, query)
        return name and name.removesuffix("WithTags")

    def resource(service, method, path, headers, body, query, region, account):
        # Adding a role to an instance profile is asked of the profile, not of the role; the public parameters that AWS
        # publishes have no account in their ARN.
        profile = "".join(query.get("InstanceProfileName", ""))
        if service == "iam" and profile:
            return f"arn:aws:iam::{account}:instance-profile/{profile}"
        arn = emulated_resource(service, method, path, headers, body, query, region, account)
        if ":autoScalingGroup:*:" in arn:
            # The ARN of an Auto Scaling group holds an id that no call names; the emulator left it open.
            arn = autoscaling._asgs.get(arn.rpartition("/")[2], {}).get("AutoScalingGroupARN", arn)
        if service == "ec2" and arn == "*":
            arn = ec2_resource(query, f"arn:aws:ec2:{region}:{account}:")
        return arn.replace(f":{account}:parameter/aws/", "::parameter/aws/")

    def ec2_resource(query, prefix):
        # What is made is not there yet, and has no tags; what is changed or tagged stands in a parameter.
        told = {name: "".join(value) for name, value in query.items()}
        known = [value for name, value in told.items() if name == "ResourceId.1" or value in ec2._tags]
        if known:
            kinds = {"sg": "security-group", "lt": "launch-template"}
            return prefix + kinds.get(known[0].split("-")[0], "resource") + "/" + known[0]
        made = told["Action"].startswith(("Allocate", "Create"))
        return prefix + "resource/new" if made else "*"

    def matches(arn, resources, not_resources):
        return arn == "*" or emulated_matches(arn, resources, not_resources)

    def conditions(asked, context):
        if context.resource_arn == "*":
            asked = {operator: {key: value for key, value in keys.items() if not key.startswith("aws:ResourceTag/")}
                     for operator, keys in asked.items()}
        return emulated_conditions(asked, context)

    def dynamodb_keys(body):
        # dynamodb:LeadingKeys is the partition key of the item; the emulator had no such key.
        request, context = json.loads(body or b"{}"), emulated_dynamodb(body)
        table = dynamodb._tables.get(request.get("TableName"))
        item = request.get("Key") or request.get("Item")
        if table and item:
            hash_key = next(key["AttributeName"] for key in table["KeySchema"] if key["KeyType"] == "HASH")
            context["dynamodb:LeadingKeys"] = list(item[hash_key].values())
        return context

    def request_context(service, action, body, params):
        # iam:PermissionsBoundary is the boundary that a role gets, or has; the emulator had no such key.
        context = emulated_request_context(service, action, body, params)
        name = "".join(params.get("RoleName", ""))
        if service == "iam":
            role = iam._roles.get(name) or {}
            context["iam:PermissionsBoundary"] = "".join(params.get("PermissionsBoundary", "")) or role.get("PermissionsBoundary")
        if action == "iam:AddRoleToInstanceProfile":
            context["passed"] = (f"arn:aws:iam::{get_account_id()}:role/{name}", "ec2.amazonaws.com")
        if action == "ec2:CreateFlowLogs":
            context["passed"] = ("".join(params.get("DeliverLogsPermissionArn", "")), "vpc-flow-logs.amazonaws.com")
        return context

    def enforce(access_key, action, service, region, resource_arn="*", service_context=None):
        # Who hands a role to a service needs iam:PassRole on it; the emulator did not ask.
        context = dict(service_context or {})
        role, to = context.pop("passed", (None, None))
        denied = emulated_enforce(access_key, action, service, region, resource_arn, context)
        if role and not denied:
            denied = emulated_enforce(access_key, "iam:PassRole", "iam", region, role, {"iam:PassedToService": to})
        return denied

    def tags(arn):
        # The tags of what EC2, CloudFront and Certificate Manager keep; the emulator knew those of other services only.
        service = (arn + "::").split(":")[2]  # of "*" too
        if service in ("ec2", "cloudfront", "acm"):
            found = {"ec2": lambda: ec2._tags.get(arn.split("/")[-1]), "cloudfront": lambda: cloudfront._tags.get(arn),
                     "acm": lambda: (acm._certificates.get(arn) or {}).get("Tags")}[service]()
            return {tag["Key"]: tag.get("Value", "") for tag in found or []}
        return emulated_tags(arn)

    # EC2 takes the tags of what is made as TagSpecifications.
    replace(iam_actions, "_TAG_MEMBERS", iam_actions._TAG_MEMBERS | {"TagSpecifications"})
    emulated_action = replace(iam_actions, "extract_iam_action", action)
    emulated_resource = replace(iam_actions, "extract_resource_arn", resource)
    emulated_matches = replace(iam_evaluator, "_resource_matches", matches)
    emulated_conditions = replace(iam_evaluator, "_conditions_met", conditions)
    emulated_request_context = replace(iam_actions, "request_tag_context", request_context)
    emulated_enforce = replace(iam_evaluator, "enforce", enforce)
    emulated_tags = replace(tagging, "resource_tags", tags)
    emulated_dynamodb = replace(iam_actions, "dynamodb_service_context", dynamodb_keys)


def web_identities():
    """STS AssumeRoleWithWebIdentity compares these claims of GitHub's tokens with a role's trust policy
    (https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/); the
    emulator knew aud, sub and amr."""
    claims = ("actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id",
              "workflow")

    def principal(token, provider, role):
        who, keys = emulated_principal(token, provider, role)
        said = cognito._token_claims(token)
        host = str(said.get("iss", "")).split("://")[-1]
        return who, keys | {f"{host}:{claim}": said[claim] for claim in claims if claim in said}

    emulated_principal = replace(sts, "_web_identity_principal", principal)
