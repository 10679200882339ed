"""Two questions that AWS has no call for, answered beside its API, for tests.

    GET /_local/resources   what exists: service, kind, region and name, one string each; without what every account
                            has (default VPCs, default cache parameters) and what AWS keeps a while after its deletion
    GET /_local/calls       how often each IAM action was called since the start
"""

import json
import re
import sys
from collections import Counter

from ministack import app
from ministack.core.iam_actions import extract_iam_action
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
from ministack.core.router import detect_service

DERIVED = re.compile(r"tags|history|events|changes|counts|param_group_params")
DEFAULT = re.compile(r"[a-z]+-0000000\d|default\..*")
DELETED = ("deleted", "PendingDeletion")

calls = Counter()


def inspected(application):
    app._dispatch_service_request = counted(app._dispatch_service_request)

    async def answer(scope, receive, send):
        questions = {"/_local/resources": resources, "/_local/calls": lambda: dict(sorted(calls.items()))}
        question = questions.get(scope.get("path"))
        if not question:
            return await application(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(question(), indent=1).encode()})
    return answer


def counted(dispatch):
    async def dispatch_and_count(method, path, headers, body, query, request_id):
        parameters = app._routing_params(method, path, headers, body, query)
        service = detect_service(method, path, headers, parameters)
        calls[extract_iam_action(service, method, path, headers, body, parameters) or f"{service}:{method} {path}"] += 1
        return await dispatch(method, path, headers, body, query, request_id)
    return dispatch_and_count


def resources():
    found = []
    for service in sorted(app._registry_module_names()):
        module = sys.modules.get(f"ministack.services.{service}")
        for kind, store in (module.get_state() or {} if hasattr(module, "get_state") else {}).items():
            if isinstance(store, (AccountScopedDict, AccountRegionScopedDict)) and not DERIVED.search(kind):
                found += [" ".join([service, kind.strip("_"), *key[1:]]) for key, value in store.to_dict().items()
                          if not DEFAULT.fullmatch(str(key[-1])) and not deleted(value)]
    return sorted(found)


def deleted(record):
    return isinstance(record, dict) and any(record.get(name) in DELETED for name in ("State", "KeyState"))
