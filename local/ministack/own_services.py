"""AWS services that MiniStack lacks: their operations are functions of a request's parameters, named as AWS names them.

    add("ce", {"CreateAnomalyMonitor": create_monitor}, {"monitors": monitors}, target="AWSInsightsIndexService")

A service has the same name in botocore, in the scope of a signature, and in IAM. A service without a target has a REST
API. IAM checks the actions on "*", because MiniStack finds no resources of these services.
"""

import json
import re

from ministack import app
from ministack.core import iam_actions, router

from query_protocol import service_model

stores = {}  # of resources, by service and kind; introspection.py lists them


class Refusal(Exception):
    """An error that an operation responds with."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def add(name, operations, own_stores, target=None):
    """Add a service with its operations and its stores."""

    async def handle(method, path, headers, body, query):
        if target:
            operation, request = headers.get("x-amz-target", "").rpartition(".")[2], {}
        else:
            operation = iam_actions._match_rest_action(name, method, path, query)
            request = path_parameters(name, operation, path) | query if operation else {}
        if operation not in operations:
            return respond(400, {"__type": "UnknownOperationException", "message": f"{name} has no {operation}"})
        try:
            response = operations[operation](request | json.loads(body or b"{}"))
        except Refusal as refusal:
            return respond(400, {"__type": refusal.code, "message": str(refusal)})
        return respond(200, response or {})

    stores[name] = own_stores
    app.SERVICE_HANDLERS[name] = handle
    router.SERVICE_PATTERNS[name] = {"target_prefixes": [target] if target else []}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    iam_actions._BOTOCORE_SERVICE_MAP[name] = [name]


def path_parameters(service, operation, path):
    """Return the parameters in a path, /detector/{DetectorId}."""
    template = service_model(service).operation_model(operation).http["requestUri"]
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(template))
    return re.fullmatch(pattern, path.rstrip("/")).groupdict()


def respond(status, body):
    headers = {"Content-Type": "application/json"}
    if status != 200:
        headers["x-amzn-ErrorType"] = body["__type"]
    return status, headers, json.dumps(body).encode()
