"""Patches for EC2 Auto Scaling."""

import re

from ministack.services import alb, autoscaling, ec2

from patching import insert_before, replace
from query_protocol import Api

# The fields of a group that MiniStack does not store.
FIELDS = (
    "CapacityRebalance",
    "DefaultInstanceWarmup",
    "MaxInstanceLifetime",
    "MixedInstancesPolicy",
    "InstanceMaintenancePolicy",
    "TargetGroupARNs",
)
METRICS = (
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
)

api = Api("autoscaling")
actions = autoscaling._ACTION_MAP


def apply(instances_boot):
    """Apply the patches. If instances boot, groups.py launches and replaces them."""
    groups()
    metrics_collection()
    scheduled_actions()
    if not instances_boot:
        targets()
        instance_refreshes()


def targets():
    """CreateAutoScalingGroup, and every change of a group's instances: AWS registers the instances with the group's
    target groups; MiniStack does not. The load balancer would have no targets."""

    def reconcile(group):
        original_reconcile(group)
        register_targets(group)

    original_reconcile = replace(autoscaling, "_reconcile_instances", reconcile)


def register_targets(group):
    instances = [instance["InstanceId"] for instance in group["Instances"]]
    for arn in group.get("Requested", {}).get("TargetGroupARNs", []):
        port = alb._tgs.get(arn, {}).get("Port")
        alb.set_targets_for_group(arn, [(instance, port) for instance in instances], group.get("Registered", []))
    group["Registered"] = instances


def groups():
    """{Create,Update}AutoScalingGroup and DescribeAutoScalingGroups: MiniStack stores the sizes and one launch
    template, and not the other fields of a group. Terraform's second plan would show them as a change. MiniStack also
    uses one Availability Zone; AWS spreads the instances over the zones of the subnets."""

    def store(group, requested):
        fields = {name: requested[name] for name in FIELDS if name in requested}
        group.setdefault("Requested", {}).update(fields)
        mixed = requested.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
        for template in (requested.get("LaunchTemplate"), mixed):
            for existing in ec2._launch_templates.values() if template else ():
                if template.get("LaunchTemplateId") == existing["LaunchTemplateId"]:
                    template["LaunchTemplateName"] = existing["LaunchTemplateName"]
        if "LaunchTemplate" in requested:
            group["LaunchTemplate"] = requested["LaunchTemplate"]
            group["Requested"].pop("MixedInstancesPolicy", None)
        if mixed:
            group["LaunchTemplate"] = {}
        autoscaling._reconcile_instances(group)

    def create(request):
        requested = api.request("CreateAutoScalingGroup", request)
        subnets = [ec2._subnets.get(subnet) for subnet in requested.get("VPCZoneIdentifier", "").split(",")]
        zones = sorted({subnet["AvailabilityZone"] for subnet in subnets if subnet})
        members = {f"AvailabilityZones.member.{number}": zone for number, zone in enumerate(zones, 1)}
        response = original_create({**request, **members})
        if response[0] == 200:
            store(autoscaling._asgs[requested["AutoScalingGroupName"]], requested)
        return response

    def update(request):
        response = original_update(request)
        if response[0] == 200:
            requested = api.request("UpdateAutoScalingGroup", request)
            store(autoscaling._asgs[requested["AutoScalingGroupName"]], requested)
        return response

    def describe(request):
        status, headers, body = original_describe(request)
        for name, group in autoscaling._asgs.items():
            metrics = [{"Metric": metric, "Granularity": "1Minute"} for metric in group.get("Metrics", [])]
            fields = {"EnabledMetrics": metrics, "Status": group["Status"] or None}
            members = api.xml("AutoScalingGroup", {**group.get("Requested", {}), **fields})
            start = f"<AutoScalingGroupName>{name}</AutoScalingGroupName><AutoScalingGroupARN>"
            body = insert_before(body, start, members)
        return status, headers, body

    original_create = replace(actions, "CreateAutoScalingGroup", create)
    original_update = replace(actions, "UpdateAutoScalingGroup", update)
    original_describe = replace(actions, "DescribeAutoScalingGroups", describe)


def metrics_collection():
    """EnableMetricsCollection and DisableMetricsCollection: MiniStack lacks them. Terraform calls them for a group's
    enabled metrics. Without a list of metrics, they apply to all metrics."""

    def add(operation, combine):
        def handle(request):
            requested = api.request(operation, request)
            group = autoscaling._asgs[requested["AutoScalingGroupName"]]
            changed = set(requested.get("Metrics") or METRICS)
            group["Metrics"] = sorted(combine(set(group.get("Metrics", [])), changed))
            return autoscaling._xml(200, f"{operation}Response", "")

        actions[operation] = handle

    add("EnableMetricsCollection", set.union)
    add("DisableMetricsCollection", set.difference)


def instance_refreshes():
    """StartInstanceRefresh: AWS replaces the instances with new ones of the group's launch template; MiniStack does not
    replace them. Deploys and releases replace the instances with an instance refresh."""

    def refresh(request):
        response = original_refresh(request)
        if response[0] == 200:
            group = autoscaling._asgs[request["AutoScalingGroupName"]]
            group["Instances"].clear()
            autoscaling._reconcile_instances(group)
        return response

    original_refresh = replace(actions, "StartInstanceRefresh", refresh)


def scheduled_actions():
    """DescribeScheduledActions: AWS returns the actions with the requested names; MiniStack returns all actions of the
    group."""

    def describe(request):
        names = [value for key, value in request.items() if key.startswith("ScheduledActionNames.member.")]
        status, headers, body = original_describe(request)
        if names:
            wanted = [f"<ScheduledActionName>{name}<".encode() for name in names]
            body = re.sub(
                rb"<member>.*?</member>",
                lambda member: member[0] if any(name in member[0] for name in wanted) else b"",
                body,
                flags=re.S,
            )
        return status, headers, body

    original_describe = replace(actions, "DescribeScheduledActions", describe)
