"""Patches for Secrets Manager: the rotation by a Lambda function.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

import json
import logging
import threading
import time

from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
    new_uuid,
    request_scope,
)
from ministack.services import lambda_svc, secretsmanager

from patching import replace

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")

logger = logging.getLogger("secretsmanager")


def apply():
    cancellation()
    empty_versions()
    first_versions()
    replaced_values()
    rotation()


def response_of(secret, **fields):
    return json_response({"ARN": secret["ARN"], "Name": secret["Name"], **fields})


def find(request):
    return secretsmanager._resolve(request.get("SecretId"))[1]


def cancellation():
    """CancelRotateSecret, which MiniStack lacks. Terraform calls it to destroy a rotation."""

    async def handle(method, path, headers, body, query):
        if headers.get("x-amz-target", "").endswith(".CancelRotateSecret"):
            secret = find(json.loads(body))
            if not secret:
                return error_response_json(
                    "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 400
                )
            secret["RotationEnabled"] = False
            return response_of(secret)
        return await original_handle(method, path, headers, body, query)

    original_handle = replace(secretsmanager, "handle_request", handle)


def empty_versions():
    """GetSecretValue: AWS does not find a version without a value, and a version with another label than the requested
    one; MiniStack returns it without a value."""

    def get(request):
        response = original_get(request)
        version = json.loads(response[2])
        stage = request.get("VersionStage")
        if response[0] == 200 and "SecretString" not in version and "SecretBinary" not in version:
            label = stage or "AWSCURRENT"
            return error_response_json(
                "ResourceNotFoundException",
                f"Secrets Manager can't find the specified secret value for staging label: {label}",
                400,
            )
        if response[0] == 200 and stage and stage not in version["VersionStages"]:
            return error_response_json(
                "InvalidRequestException",
                "You provided a VersionStage that is not associated to the provided VersionId.",
                400,
            )
        return response

    original_get = replace(secretsmanager, "_get_secret_value", get)


def first_versions():
    """CreateSecret without a value: AWS creates no version; MiniStack creates an empty one with AWSCURRENT."""

    def store(*arguments, **values):
        arn, version = original_store(*arguments, **values)
        secret = secretsmanager._resolve(arn)[1]
        has_value = {"SecretString", "SecretBinary"} & {
            key for each in secret["Versions"].values() for key, value in each.items() if value is not None
        }
        if not has_value:
            secret["Versions"].clear()
        return arn, version

    original_store = replace(secretsmanager, "_store_new_secret", store)


def replaced_values():
    """PutSecretValue with the token of a version: AWS refuses another value; MiniStack replaces it. Only the empty
    version that a rotation begins with gets its value. The first value of a secret gets AWSCURRENT beside the requested
    labels; MiniStack gives it the requested ones only.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
    """

    def put(request):
        secret = find(request)
        version = secret and secret["Versions"].get(request.get("ClientRequestToken"))
        if version and version.get("SecretString") not in (None, request.get("SecretString")):
            return error_response_json(
                "ResourceExistsException",
                f"You can't use ClientRequestToken {request['ClientRequestToken']} because that value is already in use"
                f" for a version of secret {secret['ARN']}.",
                400,
            )
        first = secret and not any("AWSCURRENT" in each["Stages"] for each in secret["Versions"].values())
        response = original_put(request)
        if first and response[0] == 200:
            version = secret["Versions"][json.loads(response[2])["VersionId"]]
            version["Stages"] = list({*version["Stages"], "AWSCURRENT"})
        return response

    original_put = replace(secretsmanager, "_put_secret_value", put)


def rotation():
    """RotateSecret: AWS creates an empty version with AWSPENDING, and invokes the function with each step until one
    fails; MiniStack makes a copy of the old value current. AWS repeats a rotation that failed; this does not. Another
    request while AWSPENDING is on a version that is not current is refused.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
    """

    def rotate(request):
        secret = find(request)
        if not secret or secret.get("DeletedDate"):
            return original_rotate(request)
        pending, version = secretsmanager._find_stage_version(secret, "AWSPENDING")
        if pending and "AWSCURRENT" not in version["Stages"]:
            return error_response_json(
                "InvalidRequestException",
                "A previous rotation isn't complete. That rotation will be reattempted.",
                400,
            )
        secret["RotationLambdaARN"] = request.get("RotationLambdaARN") or secret.get("RotationLambdaARN")
        secret["RotationRules"] = request.get("RotationRules") or secret.get("RotationRules")
        if not secret["RotationLambdaARN"]:
            return error_response_json(
                "InvalidRequestException", "You must specify a Lambda function in the request.", 400
            )
        secret["RotationEnabled"] = True
        if not request.get("RotateImmediately", True):
            return response_of(secret)
        token = request.get("ClientRequestToken") or new_uuid()
        secretsmanager._remove_stage_everywhere(secret, "AWSPENDING")
        now = int(time.time())
        secret["Versions"][token] = {
            "SecretString": None,
            "SecretBinary": None,
            "CreatedDate": now,
            "Stages": ["AWSPENDING"],
        }
        secret["LastChangedDate"] = now
        arguments = get_account_id(), get_region(), secret, token
        threading.Thread(target=run_steps, args=arguments, daemon=True).start()
        return response_of(secret, VersionId=token)

    def run_steps(account, region, secret, token):
        with request_scope(account, region):
            function, config, _ = lambda_svc._get_func_record_for_ref(secret["RotationLambdaARN"])
            if not function:
                logger.warning("rotation of %s: there is no %s", secret["Name"], secret["RotationLambdaARN"])
                return
            record = lambda_svc._execution_record_for_config(function, config)
            for step in STEPS:
                event = {"Step": step, "SecretId": secret["ARN"], "ClientRequestToken": token}
                result = lambda_svc._execute_function_with_config_scope(record, event)
                if result.get("error"):
                    logger.warning("rotation of %s: %s fails: %s", secret["Name"], step, result.get("body"))
                    return

    original_rotate = replace(secretsmanager, "_rotate_secret", rotate)
