"""The instance metadata service (IMDS) of the instances.

An instance has no address of its own for the service, so the path contains a secret that only the instance knows:
/_local/imds/SECRET/latest/... It is version 2 only, as the launch template requires.

Sources:
- https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
- https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html (categories)
- https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
"""

import json
import secrets
import time

from ministack.core import iam_evaluator
from ministack.core.responses import request_scope
from ministack.services import iam, sts

import instances

PREFIX = "/_local/imds/"
TOKEN_SECONDS = range(1, 21600 + 1)
CREDENTIALS_SECONDS = 6 * 3600
# AWS makes new credentials available at least five minutes before the old ones expire.
RENEW_SECONDS = 15 * 60

tokens = {}  # expiry times (seconds since the epoch), by instance ID and token
credentials = {}  # the last credentials document of each instance, by instance ID and role name


async def serve(scope, receive, send):
    """Serve an HTTP request whose path starts with PREFIX."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    secret, _, path = scope["path"].removeprefix(PREFIX).partition("/")
    instance = next(
        (
            other
            for other in instances.booted.values()
            if secrets.compare_digest(other.secret.encode(), secret.encode())
        ),
        None,
    )
    if instance is None:
        status, text, fields = 404, "Not Found", {}
    else:
        with request_scope(instance.account, instance.region):
            status, text, fields = respond(instance, scope["method"], path, headers)
    encoded = [(name.encode(), value.encode()) for name, value in {"content-type": "text/plain", **fields}.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": text.encode()})


def respond(instance, method, path, headers):
    """Return the status, the text and the header fields of the response."""
    if path == "latest/api/token":
        if method != "PUT":
            return 405, "Method Not Allowed", {"allow": "OPTIONS, PUT"}
        return issue_token(instance, headers)
    if time.time() > tokens.get((instance.id, headers.get("x-aws-ec2-metadata-token", "")), 0):
        return 401, "Unauthorized", {}
    if method != "GET":
        return 405, "Method Not Allowed", {"allow": "GET"}
    entry = {"latest": latest(instance)}
    for step in filter(None, path.split("/")):
        if not isinstance(entry, dict) or step not in entry:
            return 404, "Not Found", {}
        entry = entry[step]
        if callable(entry):
            entry = entry()
    if isinstance(entry, dict):
        entry = "\n".join(name + "/" * isinstance(value, dict) for name, value in sorted(entry.items()))
    return 200, entry, {}


def issue_token(instance, headers):
    seconds = headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
    if not seconds.isdigit() or int(seconds) not in TOKEN_SECONDS:
        return 400, "Bad Request", {}
    for key in [key for key, expiry in tokens.items() if expiry < time.time()]:
        del tokens[key]
    token = secrets.token_urlsafe(42)
    tokens[instance.id, token] = time.time() + int(seconds)
    return 200, token, {"x-aws-ec2-metadata-token-ttl-seconds": seconds}


def latest(instance):
    """Return the metadata as a tree: a directory is a dictionary, and a function returns a value or a directory."""
    record = instance.record
    metadata = {
        "ami-id": record["ImageId"],
        "hostname": record["PrivateDnsName"],
        "instance-id": instance.id,
        "instance-type": record["InstanceType"],
        "local-hostname": record["PrivateDnsName"],
        "local-ipv4": record["PrivateIpAddress"],
        "placement": {"availability-zone": record["Placement"]["AvailabilityZone"], "region": instance.region},
    }
    if profile := record.get("IamInstanceProfile"):
        role = role_name(profile["Arn"])
        documents = {role: lambda: credentials_document(instance, role)} if role else {}
        metadata["iam"] = {"info": lambda: profile_document(profile), "security-credentials": documents}
    tree = {"meta-data": metadata}
    return tree | ({"user-data": instance.user_data} if instance.user_data else {})


def role_name(profile_arn):
    """Return the name of an instance profile's role, or None."""
    profile = iam._lookup_instance_profile(arn=profile_arn) or {}
    return next(iter(profile.get("Roles", [])), None)


def profile_document(profile):
    document = {"Code": "Success", "LastUpdated": now(), "InstanceProfileArn": profile["Arn"]}
    return json.dumps(document | {"InstanceProfileId": profile["Id"]}, indent=1)


def now(seconds=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def credentials_document(instance, name):
    """Return temporary credentials of a role: a session of STS, which is renewed before it expires."""
    role = iam._roles.get(name)
    if role is None or not can_ec2_assume(role):
        message = f"EC2 cannot assume the role {name}. Please check its trust policy."
        return json.dumps({"Code": "AssumeRoleUnauthorizedAccess", "Message": message, "LastUpdated": now()}, indent=1)
    expiry, document = credentials.get((instance.id, name), (0, ""))
    if expiry < time.time() + RENEW_SECONDS:
        expiry, document = time.time() + CREDENTIALS_SECONDS, json.dumps(new_session(instance, role), indent=1)
        credentials[instance.id, name] = expiry, document
    return document


def can_ec2_assume(role):
    """Return whether the trust policy of a role allows EC2 to assume it."""
    statements = json.loads(role["AssumeRolePolicyDocument"])["Statement"]
    return any(
        statement["Effect"] == "Allow"
        and iam_evaluator._service_principal_matches(statement.get("Principal"), "ec2.amazonaws.com")
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def new_session(instance, role):
    key, secret, token = iam._gen_session_access_key(), iam._gen_secret(), iam._gen_session_token()
    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{instance.account}:assumed-role/{role['RoleName']}/{instance.id}",
            "UserId": f"{role['RoleId']}:{instance.id}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + CREDENTIALS_SECONDS,
            "AccountId": instance.account,
            "PrincipalType": "AssumedRole",
            "SourceInstanceARN": f"arn:aws:ec2:{instance.region}:{instance.account}:instance/{instance.id}",  # iam.py
        },
    )
    return {
        "Code": "Success",
        "LastUpdated": now(),
        "Type": "AWS-HMAC",
        "AccessKeyId": key,
        "SecretAccessKey": secret,
        "Token": token,
        "Expiration": now(CREDENTIALS_SECONDS),
    }
