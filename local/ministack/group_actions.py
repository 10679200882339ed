"""The calls of the Auto Scaling API for groups that launch instances (groups.py).

Sources of the error messages: AWS's responses, as users report them in public issue trackers. The API reference does
not list them (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html).
"""

from xml.sax.saxutils import escape

from ministack.services import alb, autoscaling, ec2

import groups
import launches
from instance_refresh import Refresh
from patching import replace
from query_protocol import Api, element

api = Api("autoscaling")
actions = autoscaling._ACTION_MAP


class InvalidError(Exception):
    """A request is refused. code is the error code."""

    def __init__(self, message, code="ValidationError"):
        super().__init__(message)
        self.code = code


def apply():
    replace(autoscaling, "_reconcile_instances", wake)
    replace(autoscaling, "_instance_member_xml", instance_xml)
    for handle in (
        create_auto_scaling_group,
        update_auto_scaling_group,
        set_desired_capacity,
        delete_auto_scaling_group,
        terminate_instance_in_auto_scaling_group,
        set_instance_health,
        describe_scaling_activities,
        start_instance_refresh,
        cancel_instance_refresh,
        describe_instance_refreshes,
    ):
        operation = "".join(word.capitalize() for word in handle.__name__.split("_"))
        actions[operation] = action(operation, handle, actions.get(operation))


def action(operation, handle, original):
    """Return the handler of an action. handle(requested, forward) gets the input structure, and a function that calls
    MiniStack's own handler; it returns the output structure or the response of that handler."""

    def respond(request):
        def forward(**changes):
            response = original({**request, **{name: str(value) for name, value in changes.items()}})
            if response[0] >= 400:
                raise ForwardedError(response)
            return response

        try:
            output = handle(api.request(operation, request), forward)
        except InvalidError as error:
            return autoscaling._error(error.code, escape(str(error)))
        except ForwardedError as error:
            return error.response
        if isinstance(output, tuple):
            return output
        shape = api.model.operation_model(operation).output_shape
        content = element(f"{operation}Result", api.xml(shape, output)) if shape else ""
        return autoscaling._xml(200, f"{operation}Response", content)

    return respond


class ForwardedError(Exception):
    """MiniStack's own handler refuses a request."""

    def __init__(self, response):
        super().__init__()
        self.response = response


def wake(record):
    """Every change of a group: MiniStack changes its list of instances; the task of the group does it here."""
    if group := groups.get(record["AutoScalingGroupName"]):
        group.wake.set()


def instance_xml(member, include_group_name=""):
    """DescribeAutoScalingGroups and DescribeAutoScalingInstances."""
    if not include_group_name:
        return element("member", api.xml("Instance", member))
    details = {**member, "AutoScalingGroupName": include_group_name, "HealthStatus": member["HealthStatus"].upper()}
    return element("member", api.xml("AutoScalingInstanceDetails", details))


def existing(name):
    group = groups.get(name)
    if group is None or group.is_deleting:
        raise InvalidError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


# Groups


def create_auto_scaling_group(requested, forward):
    least, most = requested["MinSize"], requested["MaxSize"]
    check_sizes(least, most, requested.get("DesiredCapacity", least))
    check_configuration(requested, is_new=True)
    response = forward()
    group = groups.Group(autoscaling._asgs[requested["AutoScalingGroupName"]])
    group.change = (
        f"At {groups.now()} a user request created an AutoScalingGroup changing the desired capacity from 0 to "
        f"{group.desired}.  "
    )
    return response


def update_auto_scaling_group(requested, forward):
    group = existing(requested["AutoScalingGroupName"])
    current = group.record["DesiredCapacity"]
    least = requested.get("MinSize", group.record["MinSize"])
    most = requested.get("MaxSize", group.record["MaxSize"])
    # A minimum above the desired capacity raises it, and a maximum below lowers it
    # (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html).
    desired = requested.get("DesiredCapacity", max(least, min(most, current)))
    check_sizes(least, most, desired)
    check_configuration(requested)
    if group.refresh and group.refresh.desired_configuration and has_configuration(requested):
        raise InvalidError(
            "An active instance refresh with a desired configuration exists. All configuration options derived from "
            "the desired configuration are not available for update while the instance refresh is active."
        )
    response = forward(DesiredCapacity=current)
    constraints = f"min: {least}, max: {most}, desired: {desired}"
    group.set_desired(desired, f"a user request update of AutoScalingGroup constraints to {constraints}")
    return response


def has_configuration(requested):
    return any(name in requested for name in ("LaunchTemplate", "MixedInstancesPolicy", "LaunchConfigurationName"))


def check_sizes(least, most, desired):
    if least > most:
        raise InvalidError(f"Max bound, {most}, must be greater than or equal to min bound, {least}")
    if not least <= desired <= most:
        message = f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}"
        raise InvalidError(message)


def check_configuration(requested, is_new=False):
    """Check that what a group needs to launch instances exists."""
    mixed = requested.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    specification = requested.get("LaunchTemplate") or mixed
    if is_new and not specification:
        raise InvalidError(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or "
            "MixedInstancesPolicy parameter."
        )
    if specification:
        check_launch_template(specification)
    for subnet in filter(None, requested.get("VPCZoneIdentifier", "").split(",")):
        if subnet not in ec2._subnets:
            raise InvalidError(f"The subnet ID '{subnet}' does not exist")
    missing = [arn for arn in requested.get("TargetGroupARNs", []) if arn not in alb._tgs]
    if missing:
        raise InvalidError(f"Target groups '{', '.join(missing)}' not found")


def check_launch_template(specification):
    try:
        groups.resolve(specification)
    except launches.LaunchError as error:
        raise InvalidError(str(error)) from error


def set_desired_capacity(requested, forward):
    group, desired = existing(requested["AutoScalingGroupName"]), requested["DesiredCapacity"]
    for name, limit, is_outside in (
        ("below min", group.record["MinSize"], desired < group.record["MinSize"]),
        ("above max", group.record["MaxSize"], desired > group.record["MaxSize"]),
    ):
        if is_outside:
            message = f"New SetDesiredCapacity value {desired} is {name} value {limit} for the AutoScalingGroup."
            raise InvalidError(message)
    group.set_desired(desired, "a user request explicitly set group desired capacity")
    return {}


def delete_auto_scaling_group(requested, forward):
    group = existing(requested["AutoScalingGroupName"])
    if not requested.get("ForceDelete"):
        if group.active():
            message = (
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) "
                "still in the group."
            )
            raise InvalidError(message, "ResourceInUse")
        if group.members:
            message = "You cannot delete an AutoScalingGroup while there are scaling activities in progress for it."
            raise InvalidError(message, "ScalingActivityInProgress")
    group.delete()
    return {}


# Instances


def managed(instance_id):
    """Return a group and its instance."""
    for group in groups.all_groups():
        if member := group.member(instance_id):
            return group, member
    raise InvalidError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")


def terminate_instance_in_auto_scaling_group(requested, forward):
    group, member = managed(requested["InstanceId"])
    current, least = group.record["DesiredCapacity"], group.record["MinSize"]
    shrinking = ""
    if member["LifecycleState"] not in groups.ACTIVE:
        raise InvalidError(f"Instance {member['InstanceId']} is already being terminated", "ScalingActivityInProgress")
    if requested["ShouldDecrementDesiredCapacity"]:
        if current <= least:
            raise InvalidError(
                f"Currently, desiredSize equals minSize ({least}). Terminating instance without replacement will "
                "violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower "
                "group's min size."
            )
        group.record["DesiredCapacity"] = current - 1
        shrinking = f", shrinking the capacity from {current} to {current - 1}"
    cause = f"At {groups.now()} instance {member['InstanceId']} was taken out of service in response to a user request"
    activity = group.terminate(member, f"{cause}{shrinking}.")
    group.wake.set()
    return {"Activity": activity}


def set_instance_health(requested, forward):
    group, member = managed(requested["InstanceId"])
    if not (requested.get("ShouldRespectGracePeriod", True) and group.is_in_grace(member)):
        member["HealthStatus"] = requested["HealthStatus"]
    group.wake.set()
    return {}


# Activities


def describe_scaling_activities(requested, forward):
    """Activities in progress are first, then the newest."""
    name, wanted = requested.get("AutoScalingGroupName"), requested.get("ActivityIds")
    if name and groups.get(name) is None:
        raise InvalidError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    found = [
        activity
        for group in groups.all_groups()
        for activity in group.activities
        if name in (None, group.name) and (not wanted or activity["ActivityId"] in wanted)
    ]
    found.sort(key=lambda activity: ("EndTime" in activity, -activity["StartTime"]))
    return {"Activities": found}


# Instance refreshes


def start_instance_refresh(requested, forward):
    group = existing(requested["AutoScalingGroupName"])
    if group.refresh:
        message = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."
        raise InvalidError(message, "InstanceRefreshInProgress")
    preferences = requested.get("Preferences", {})
    check_preferences(preferences)
    desired = requested.get("DesiredConfiguration", {})
    check_configuration(desired)
    if preferences.get("AutoRollback") and not desired:
        raise InvalidError("AutoRollback cannot be set to true when no DesiredConfiguration is specified.")
    return {"InstanceRefreshId": Refresh(group, preferences, desired).id}


def check_preferences(preferences):
    least, most = preferences.get("MinHealthyPercentage"), preferences.get("MaxHealthyPercentage")
    if least is not None and not 0 <= least <= 100:
        raise InvalidError(f"MinHealthyPercentage is {least}; it must be between 0 and 100.")
    if most is not None and not 100 <= most <= 200:
        raise InvalidError(f"MaxHealthyPercentage is {most}; it must be between 100 and 200.")
    if most is not None and (least is None or most - least > 100):
        raise InvalidError(
            "MaxHealthyPercentage requires MinHealthyPercentage, and their difference cannot be greater than 100."
        )


def cancel_instance_refresh(requested, forward):
    group = existing(requested["AutoScalingGroupName"])
    if group.refresh is None or group.refresh.status == "Cancelling":
        message = f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}"
        raise InvalidError(message, "ActiveInstanceRefreshNotFound")
    group.refresh.cancel()
    return {"InstanceRefreshId": group.refresh.id}


def describe_instance_refreshes(requested, forward):
    group, wanted = existing(requested["AutoScalingGroupName"]), requested.get("InstanceRefreshIds")
    found = [refresh for refresh in group.refreshes if not wanted or refresh.id in wanted]
    return {"InstanceRefreshes": [refresh.describe() for refresh in found]}
