"""Patches for Elastic Load Balancing v2."""

import re

from ministack.core.responses import set_request_region
from ministack.services import alb

from patching import replace


def apply():
    deletion_protection()
    dns_names()


def deletion_protection():
    """DeleteLoadBalancer: AWS returns OperationNotPermitted if deletion protection is on; MiniStack deletes the load
    balancer. A destroy must fail until the protection is switched off."""

    def delete(request):
        arn = alb._p(request, "LoadBalancerArn")
        if alb._lb_attr(arn, "deletion_protection.enabled", "false") == "true":
            message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            return alb._error("OperationNotPermitted", message)
        return original_delete(request)

    original_delete = replace(alb._ACTION_MAP, "DeleteLoadBalancer", delete)


def dns_names():
    """Requests to a load balancer's DNS name: MiniStack looks for the load balancer in its default region only. The
    stacks use other regions, and the DNS name contains the region."""

    def find(host):
        region = re.search(r"\.([a-z0-9-]+)\.elb\.amazonaws\.com", host)
        if region:
            set_request_region(region[1])
        return original_find(host)

    original_find = replace(alb, "find_lb_for_host", find)
