"""Lints IAM policy documents with parliament.

Standard input: a list of {"Trust": whether it is a role's trust policy, "Version", "Statement"}.
Standard output: {"Findings": messages by rule for each document, "Stale": entries below that are not needed any more}.
A rule is an issue of parliament, followed by the Sid of the statement if it is about one.
"""

import json
import os
import re
import sys

import parliament
import parliament.statement

# Actions that parliament's database does not have yet, and their types of resources.
ACTIONS = {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-vended-logs-permissions-V2.html
    "elasticloadbalancing:AllowVendedLogDeliveryForResource": "loadbalancer/app/",
}

# The database has the condition keys of four token issuers, without GitHub. AWS supports these claims of GitHub:
# https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/
GITHUB = "token.actions.githubusercontent.com"
CLAIMS = [
    "aud",
    "sub",
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "workflow",
]
GITHUB_PROVIDER = re.compile(r"arn:aws:iam::\d{12}:oidc-provider/" + re.escape(GITHUB))


def extend_database():
    """Adds the actions and claims to parliament's database; returns messages about actions that it has."""
    stale = []
    for name, kind in ACTIONS.items():
        prefix, action = name.split(":")
        services = [s for s in parliament.iam_definition if s["prefix"] == prefix]
        if any(p["privilege"] == action for s in services for p in s["privileges"]):
            stale.append(f"parliament has the action {name}")
            continue
        service = next(s for s in services if any(r["resource"] == kind for r in s["resources"]))
        service["privileges"].append(
            {"privilege": action, "resource_types": [{"resource_type": kind + "*", "condition_keys": []}]}
        )

    sts = next(s for s in parliament.iam_definition if s["prefix"] == "sts")
    assume = next(p for p in sts["privileges"] if p["privilege"] == "AssumeRoleWithWebIdentity")
    keys = [f"{GITHUB}:{claim}" for claim in CLAIMS]
    assume["resource_types"][-1]["condition_keys"] += keys
    sts["conditions"] += [{"condition": key, "type": "String"} for key in keys]

    # A key of EC2 that is available for all services:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-ec2-source-instance-arn
    parliament.statement.GLOBAL_CONDITION_KEYS["ec2:SourceInstanceARN"] = "Arn"

    # The issues of the community auditors.
    parliament.override_config(
        os.path.join(os.path.dirname(parliament.__file__), "community_auditors", "config_override.yaml")
    )
    return stale


def prepare(document):
    """Returns a document as JSON that parliament can read."""
    for statement in document["Statement"]:
        if document["Trust"]:
            # A trust policy has no resource: it is the role.
            statement["Resource"] = "arn:aws:iam::123456789012:role/this"
        for keys in statement.get("Condition", {}).values():
            for key, values in keys.items():
                if isinstance(values, list) and len(values) == 1:
                    keys[key] = values[0]  # Bool and Null fail on a list
    return json.dumps({"Version": document["Version"], "Statement": document["Statement"]})


def lint(document):
    # The community auditors report that assuming a role exposes credentials, which is the purpose of a trust policy.
    policy = parliament.analyze_policy_string(
        prepare(document), ignore_private_auditors=True, include_community_auditors=not document["Trust"]
    )
    sids = {id(f): s.sid for s in policy.statements for f in s.findings}
    messages = {}
    for f in policy.findings:
        if f.issue == "UNKNOWN_FEDERATION_SOURCE" and GITHUB_PROVIDER.fullmatch(f.detail):
            continue
        sid = sids.get(id(f))
        messages[f"{f.issue}:{sid}" if sid else f.issue] = message(f)
    return messages


def message(finding):
    title = parliament.config[finding.issue]["title"].strip(" .")
    detail = finding.detail or finding.location.get("actions") or ""
    if isinstance(detail, list):
        # RESOURCE_MISMATCH has the required format for each action.
        detail = ", ".join(
            sorted(f"{d['action']} needs {d['required_format']}" if isinstance(d, dict) else d for d in detail)
        )
    return f"{title}: {detail}" if detail else title


def main():
    documents = json.load(sys.stdin)
    stale = extend_database()
    text = json.dumps(documents)
    stale += [f"no policy has the action {name}" for name in ACTIONS if name not in text]
    json.dump({"Findings": [lint(d) for d in documents], "Stale": stale}, sys.stdout)


main()
