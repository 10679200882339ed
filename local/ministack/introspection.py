"""Endpoints for tests, for what the AWS API does not do.

GET /_local/resources   The resources that exist, as strings of service, kind, region and name. Leaves out the resources
                        that every account has (default VPCs, cache parameters and event buses) and those that AWS
                        keeps for a while after their deletion.
GET /_local/calls       The IAM actions that were allowed since the start, by role, with their resources:
                        {"starttech-plan": {"s3:GetObject": ["arn:aws:s3:::..."]}}. "administrator" is the access key
                        that the emulator was started with.
GET /_local/expire      Lets every certificate of ACM expire, and returns their ARNs. On AWS, time does it.
"""

import re
import sys
import time
from collections import defaultdict

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict, get_account_id
from ministack.services import acm

import own_services
from access import ADMINISTRATOR

# Stores that hold no resources, names of resources that every account has, and states of deleted resources.
IGNORED_STORES = re.compile(r"tags|history|events|changes|counts|param_group_params")
DEFAULT_RESOURCES = re.compile(r"[a-z]+-0000000\d|default(\..*)?")
DELETED_STATES = ("deleted", "terminated", "PendingDeletion")

calls = defaultdict(lambda: defaultdict(set))


def record_calls():
    """Record the allowed calls. Call this before the patches are applied: some of them check more than one action in a
    call."""

    def enforce(access_key, action, service, region, resource_arn="*", service_context=None):
        denied = original_enforce(
            access_key, action, service, region, resource_arn=resource_arn, service_context=service_context
        )
        if not denied:
            calls[caller_name(access_key)][action].add(resource_arn)
        return denied

    original_enforce = iam_evaluator.enforce
    iam_evaluator.enforce = enforce


def caller_name(access_key):
    principal = iam_evaluator.resolve_principal(access_key, get_account_id())
    role = re.search(":assumed-role/([^/]+)/", getattr(principal, "arn", ""))
    return role[1] if role else ADMINISTRATOR


def list_calls():
    return {
        caller: {action: sorted(resources) for action, resources in sorted(actions.items())}
        for caller, actions in sorted(calls.items())
    }


def list_resources():
    resources, services = [], dict(own_services.stores)
    for service in app._registry_module_names():
        module = sys.modules.get(f"ministack.services.{service}")
        services[service] = module.get_state() or {} if hasattr(module, "get_state") else {}
    for service, stores in sorted(services.items()):
        for kind, store in stores.items():
            if not isinstance(store, AccountScopedDict | AccountRegionScopedDict) or IGNORED_STORES.search(kind):
                continue
            for key, value in store.to_dict().items():
                if not DEFAULT_RESOURCES.fullmatch(str(key[-1])) and not is_deleted(value):
                    resources.append(" ".join([service, kind.strip("_"), *key[1:]]))
    return sorted(resources)


def is_deleted(resource):
    if not isinstance(resource, dict):
        return False
    state = resource.get("State")
    if isinstance(state, dict):  # of an instance
        state = state.get("Name")
    return state in DELETED_STATES or resource.get("KeyState") in DELETED_STATES


def expire_certificates():
    yesterday = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 24 * 3600))
    for certificate in acm._certificates._data.values():
        certificate.update(Status="EXPIRED", NotAfter=yesterday)
    return sorted(certificate["CertificateArn"] for certificate in acm._certificates._data.values())


ENDPOINTS = {
    "/_local/resources": list_resources,
    "/_local/calls": list_calls,
    "/_local/expire": expire_certificates,
}
