"""Two questions that AWS has no call for, answered beside its API, for tests.

    GET /_local/resources   what exists: service, kind, region and name, one string each; without what every account
                            has (default VPCs, default cache parameters) and what AWS keeps a while after its deletion
    GET /_local/calls       which IAM actions were allowed to whom, and on what, since the start:
                            {"starttech-plan": {"s3:GetObject": ["arn:aws:s3:::..."]}}; "root" is the access key "test"
"""

import json
import re
import sys
from collections import defaultdict

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict, get_account_id

DERIVED = re.compile(r"tags|history|events|changes|counts|param_group_params")
DEFAULT = re.compile(r"[a-z]+-0000000\d|default\..*")
DELETED = ("deleted", "PendingDeletion")

calls = defaultdict(lambda: defaultdict(set))


def record():
    """To be called before the patches, which ask for more than one action in some calls."""
    iam_evaluator.enforce = recorded(iam_evaluator.enforce)


def inspected(application):
    async def answer(scope, receive, send):
        questions = {"/_local/resources": resources, "/_local/calls": allowed}
        question = questions.get(scope.get("path"))
        if not question:
            return await application(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(question(), indent=1).encode()})
    return answer


def recorded(enforce):
    def enforce_and_record(access_key, action, service, region, resource_arn="*", service_context=None):
        denied = enforce(access_key, action, service, region, resource_arn=resource_arn, service_context=service_context)
        if not denied:
            calls[caller(access_key)][action].add(resource_arn)
        return denied
    return enforce_and_record


def caller(access_key):
    principal = iam_evaluator.resolve_principal(access_key, get_account_id())
    role = re.search(":assumed-role/([^/]+)/", getattr(principal, "arn", ""))
    return role[1] if role else "root"


def allowed():
    return {who: {action: sorted(on) for action, on in sorted(actions.items())} for who, actions in sorted(calls.items())}


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
