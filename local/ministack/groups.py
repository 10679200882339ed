"""Auto Scaling groups that launch, check, replace and terminate instances.

MiniStack's record of a group lists its instances ("Instances"). A task of each group compares that list with the
desired capacity, as long as the group exists. group_actions.py handles the calls of the API, and instance_refresh.py
the instance refreshes.

Sources:
- https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
- https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
- https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
- https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-verify-scaling-activity.html (causes of activities)
- https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-healthchecks.html

Lifecycle hooks, warm pools, standby, suspended processes and instance weights are not supported. Scaling policies are
records.
"""

import asyncio
import collections
import json
import logging
import time
from datetime import UTC, datetime

from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import alb, autoscaling, ec2

import instances
import launches
import targets
from timing import scaled

logger = logging.getLogger("groups")

TICK = 0.2  # seconds between two comparisons of a group's instances with its desired capacity
RETRY_SECONDS = 60  # after a launch that failed
LEAST_GRACE = 30  # seconds; a busy machine takes so long to boot an instance, whatever the factor of the waiting times
ACTIVE = ("Pending", "InService")

groups = {}  # the groups that exist, by account ID, region and name


def now():
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def get(name):
    """Return a group of the request's account and region, or None."""
    return groups.get((get_account_id(), get_region(), name))


def all_groups():
    scope = get_account_id(), get_region()
    return [group for key, group in groups.items() if key[:2] == scope]


def of_instance(instance_id):
    """Return the group of an instance, or None."""
    return next((group for group in groups.values() if group.member(instance_id)), None)


class Group:
    """A group that exists. record is MiniStack's, members are its instances, in the form of the API's Instance."""

    def __init__(self, record):
        self.record, self.name = record, record["AutoScalingGroupName"]
        self.account, self.region = get_account_id(), get_region()
        self.key = self.account, self.region, self.name
        self.members = record["Instances"]
        self.activities = []  # newest first
        self.refreshes = []  # newest first
        self.surge = 0  # instances in addition to the desired capacity, during an instance refresh
        self.replacements = 0  # unhealthy instances that are not replaced yet
        self.change = ""  # the last change of the desired capacity, in the words of an activity's cause
        self.retry_at = 0.0
        self.is_deleting = False
        self.wake = asyncio.Event()
        groups[self.key] = self
        self.task = instances.spawn(self.run())

    async def run(self):
        with request_scope(self.account, self.region):
            while groups.get(self.key) is self:
                try:
                    self.compare()
                except Exception:
                    logger.exception("group %s", self.name)
                self.wake.clear()
                try:
                    async with asyncio.timeout(TICK):
                        await self.wake.wait()
                except TimeoutError:
                    pass

    # State

    @property
    def requested(self):
        """The fields of the group that MiniStack does not store (patches/autoscaling.py)."""
        return self.record.setdefault("Requested", {})

    @property
    def desired(self):
        return 0 if self.is_deleting else self.record["DesiredCapacity"]

    @property
    def refresh(self):
        """The active instance refresh, or None."""
        return next((refresh for refresh in self.refreshes if refresh.is_active), None)

    def active(self):
        """Return the instances that count towards the desired capacity."""
        return [member for member in self.members if member["LifecycleState"] in ACTIVE]

    def member(self, instance_id):
        return next((member for member in self.members if member["InstanceId"] == instance_id), None)

    def metrics(self):
        """Return the values of the group's enabled metrics
        (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html)."""
        states = [member["LifecycleState"] for member in self.members]
        values = {
            "GroupMinSize": self.record["MinSize"],
            "GroupMaxSize": self.record["MaxSize"],
            "GroupDesiredCapacity": self.record["DesiredCapacity"],
            "GroupInServiceInstances": states.count("InService"),
            "GroupPendingInstances": states.count("Pending"),
            "GroupStandbyInstances": states.count("Standby"),
            "GroupTerminatingInstances": sum(state.startswith("Terminating") for state in states),
            "GroupTotalInstances": len(states),
        }
        enabled = self.record.get("Metrics", [])
        return {name: value for name, value in values.items() if name in enabled}

    def set_desired(self, desired, cause):
        """Change the desired capacity. cause is the part of an activity's cause that says why."""
        current = self.record["DesiredCapacity"]
        if desired != current:
            self.change = f"At {now()} {cause} changing the desired capacity from {current} to {desired}.  "
        self.record["DesiredCapacity"] = desired
        self.wake.set()

    # Comparison

    def compare(self):
        if self.is_deleting and not self.members:
            return self.finish_deletion()
        self.check_health()
        wanted, active = self.desired + self.surge, self.active()
        while len(active) < wanted and time.monotonic() >= self.retry_at:
            if not self.launch(self.launch_cause(len(active))):
                break
            active = self.active()
        while len(active) > wanted:
            victim = self.select_victim(active)
            if victim is None:
                break
            self.terminate(victim, self.scale_in_cause(victim, len(active)))
            active = self.active()
        if len(active) == wanted:
            self.change, self.replacements = "", 0
        return None

    def launch_cause(self, count):
        if self.replacements:
            self.replacements -= 1
            return f"At {now()} an instance was launched in response to an unhealthy instance needing to be replaced."
        return (
            f"{self.change}At {now()} an instance was started in response to a difference between desired and actual "
            f"capacity, increasing the capacity from {count} to {count + 1}."
        )

    def scale_in_cause(self, member, count):
        return (
            f"{self.change}At {now()} an instance was taken out of service in response to a difference between "
            f"desired and actual capacity, shrinking the capacity from {count} to {count - 1}.  "
            f"At {now()} instance {member['InstanceId']} was selected for termination."
        )

    def select_victim(self, active):
        """Return the instance to terminate in a scale-in, or None if all are protected.

        This is the default termination policy: the zone with the most instances, then the oldest launch template
        version, then the oldest instance. Instances that are not ready come first, so that an instance refresh that
        fails or is cancelled terminates the new instance that it waits for.
        """
        candidates = [member for member in active if self.is_deleting or not member["ProtectedFromScaleIn"]]
        zones = collections.Counter(member["AvailabilityZone"] for member in active)

        def order(member):
            version = member["LaunchTemplate"]["Version"]
            return self.is_ready(member), -zones[member["AvailabilityZone"]], int(version), member["LaunchedAt"]

        return min(candidates, key=order, default=None)

    # Health

    def check_health(self):
        """Replace the instances that are unhealthy."""
        for member in self.active():
            cause = self.failure(member)
            if cause is None:
                continue
            member["HealthStatus"] = "Unhealthy"
            self.replacements += 1
            self.terminate(member, f"At {now()} an instance was taken out of service in response to {cause}.")

    def failure(self, member):
        """Return why an instance is unhealthy, in the words of an activity's cause, or None.

        The grace period is for status checks and health checks of load balancers. An instance that is not running is
        replaced at once.
        """
        if member["LifecycleState"] != "InService":
            return None
        instance = instances.booted.get(member["InstanceId"])
        if instance is None or instance.record["State"]["Name"] != "running":
            return "an EC2 health check indicating it has been terminated or stopped"
        if not self.is_in_grace(member):
            if instance.is_impaired:
                return "an EC2 instance status checks failure"
            if "ELB" in self.record["HealthCheckType"] and "unhealthy" in self.target_states(member):
                return "an ELB system health check failure"
        return "a user health-check" if member["HealthStatus"] == "Unhealthy" else None

    def target_states(self, member):
        return [targets.state(arn, member["InstanceId"]) for arn in member["TargetGroups"]]

    def is_in_grace(self, member):
        grace = self.record["HealthCheckGracePeriod"]
        return self.age(member) < scaled(grace, min(grace, LEAST_GRACE))

    def age(self, member):
        """Return how many seconds an instance is in service."""
        return time.monotonic() - member["InServiceAt"] if "InServiceAt" in member else 0.0

    def is_ready(self, member):
        return self.unready_reason(member, 0) is None

    def unready_reason(self, member, warmup):
        """Return why an instance refresh waits for an instance, or None. warmup is in seconds, already shortened."""
        name, waiting = member["InstanceId"], "Waiting for remaining instances to be available. For example: "
        if member["LifecycleState"] != "InService":
            return f"{waiting}{name} has insufficient data to evaluate its health with Amazon EC2."
        if "ELB" in self.record["HealthCheckType"]:
            states = self.target_states(member)
            if "unhealthy" in states:
                return f"{waiting}{name} is unhealthy with Elastic Load Balancing."
            if "initial" in states:
                return f"{waiting}{name} has insufficient data to evaluate its health with Elastic Load Balancing."
        if self.age(member) < warmup:
            return f"Waiting for instances to warm up before continuing. For example: {name} is warming up."
        return None

    # Launch

    def launch_template(self):
        """Return the specification of the launch template, and the instance type that overrides the template's, or
        None. An instance refresh with a desired configuration determines them while it is active."""
        desired = self.refresh.desired_configuration if self.refresh else {}
        mixed = desired.get("MixedInstancesPolicy")
        if not desired:
            mixed = self.requested.get("MixedInstancesPolicy")
        if mixed:
            template = mixed["LaunchTemplate"]
            types = [item["InstanceType"] for item in template.get("Overrides", []) if "InstanceType" in item]
            return template["LaunchTemplateSpecification"], next(iter(types), None)
        return desired.get("LaunchTemplate") or self.record.get("LaunchTemplate") or {}, None

    def launch(self, cause):
        """Launch an instance. Return whether it could be launched."""
        activity = self.start_activity("Launching a new EC2 instance", cause)
        try:
            specification, instance_type = self.launch_template()
            version = resolve(specification)
            subnet = self.select_subnet()
            ports = {arn: alb._tgs[arn]["Port"] for arn in self.requested.get("TargetGroupARNs", []) if arn in alb._tgs}
            data = version["LaunchTemplateData"]
            tags = self.instance_tags(version)
            instance = launches.launch(data, subnet, instance_type, tags, sorted(set(ports.values())))
        except launches.LaunchError as error:
            self.fail(activity, str(error))
            return False
        member = {
            "InstanceId": instance.id,
            "InstanceType": instance.record["InstanceType"],
            "AvailabilityZone": instance.record["Placement"]["AvailabilityZone"],
            "LifecycleState": "Pending",
            "HealthStatus": "Healthy",
            "LaunchTemplate": {
                "LaunchTemplateId": version["LaunchTemplateId"],
                "LaunchTemplateName": version["LaunchTemplateName"],
                "Version": str(version["VersionNumber"]),
            },
            "ProtectedFromScaleIn": self.record["NewInstancesProtectedFromScaleIn"],
            "LaunchedAt": time.monotonic(),
            "TargetGroups": ports,
        }
        self.members.append(member)
        activity["Description"] += f": {instance.id}"
        zone = {"Subnet ID": subnet, "Availability Zone": member["AvailabilityZone"]}
        activity.update(Details=json.dumps(zone), StatusCode="PreInService")
        instances.spawn(self.enter_service(member, instance, activity))
        return True

    async def enter_service(self, member, instance, activity):
        with request_scope(self.account, self.region):
            try:
                await instance.boot_task
            except OSError as error:
                self.remove(member)
                self.fail(activity, f"The instance program cannot be started: {error}")
                return await instance.terminate()
            if member["LifecycleState"] == "Pending":
                for arn, port in member["TargetGroups"].items():
                    if arn in alb._tgs:
                        targets.register(arn, instance.id, port)
                member.update(LifecycleState="InService", InServiceAt=time.monotonic())
            self.end_activity(activity)
            return None

    def fail(self, activity, reason):
        activity["Description"] += f".  Status Reason: {reason}"
        self.retry_at = time.monotonic() + scaled(RETRY_SECONDS, 1)
        self.end_activity(activity, "Failed", reason)

    def select_subnet(self):
        """Return the ID of the subnet in the zone with the fewest instances of the group."""
        subnets = [subnet for subnet in self.record["VPCZoneIdentifier"].split(",") if subnet in ec2._subnets]
        if not subnets:
            raise launches.LaunchError("The group has no subnet that exists. Launching EC2 instance failed.")
        count = collections.Counter(member["AvailabilityZone"] for member in self.active())
        return min(subnets, key=lambda subnet: count[ec2._subnets[subnet]["AvailabilityZone"]])

    def instance_tags(self, version):
        tags = [
            {"Key": "aws:autoscaling:groupName", "Value": self.name},
            {"Key": "aws:ec2launchtemplate:id", "Value": version["LaunchTemplateId"]},
            {"Key": "aws:ec2launchtemplate:version", "Value": str(version["VersionNumber"])},
        ]
        return tags + [tag for tag in self.record["Tags"] if tag["PropagateAtLaunch"]]

    # Termination

    def terminate(self, member, cause):
        """Take an instance out of service, and terminate it after the deregistration delay. Return the activity."""
        activity = self.start_activity(f"Terminating EC2 instance: {member['InstanceId']}", cause)
        member["LifecycleState"] = "Terminating"
        instances.spawn(self.leave_service(member, activity))
        return activity

    async def leave_service(self, member, activity):
        with request_scope(self.account, self.region):
            draining = []
            for arn in member["TargetGroups"]:
                draining += targets.deregister(arn, member["InstanceId"])
            instance = instances.booted.get(member["InstanceId"])
            if instance and instance.record["State"]["Name"] in ("pending", "running"):
                if draining:
                    activity.update(StatusCode="WaitingForELBConnectionDraining", Progress=50)
                    activity["StatusMessage"] = "Waiting for ELB Connection Draining."
                    await asyncio.wait(draining)
                activity.update(StatusCode="InProgress", StatusMessage=None, Progress=60)
            if instance:
                await instance.terminate()
            self.remove(member)
            self.end_activity(activity)
            self.wake.set()

    def remove(self, member):
        if member in self.members:
            self.members.remove(member)

    def delete(self):
        """Terminate every instance, and then delete the group."""
        self.change = (
            f"At {now()} a user request force deleted AutoScalingGroup changing the desired capacity from "
            f"{self.record['DesiredCapacity']} to 0.  "
        )
        self.is_deleting, self.surge = True, 0
        self.record["Status"] = "Delete in progress"
        for refresh in self.refreshes:
            refresh.stop()
        self.wake.set()

    def finish_deletion(self):
        del groups[self.key]
        autoscaling._delete_asg({"AutoScalingGroupName": self.name})

    # Activities

    def start_activity(self, description, cause):
        activity = {
            "ActivityId": new_uuid(),
            "AutoScalingGroupName": self.name,
            "AutoScalingGroupARN": self.record["AutoScalingGroupARN"],
            "Description": description,
            "Cause": cause,
            "StartTime": time.time(),
            "StatusCode": "InProgress",
            "Progress": 0,
            "Details": "{}",
        }
        self.activities.insert(0, activity)
        return activity

    def end_activity(self, activity, status="Successful", message=None):
        activity.update(EndTime=time.time(), StatusCode=status, StatusMessage=message, Progress=100)


def resolve(specification):
    """Return MiniStack's record of the version of a launch template: a number, $Latest or $Default (also if there is
    none). Raises LaunchError."""
    wanted = specification.get("LaunchTemplateId"), specification.get("LaunchTemplateName")
    for template in ec2._launch_templates.values():
        if wanted[0] == template["LaunchTemplateId"] or (not wanted[0] and wanted[1] == template["LaunchTemplateName"]):
            number = specification.get("Version") or "$Default"
            number = {"$Default": template["DefaultVersionNumber"], "$Latest": template["LatestVersionNumber"]}.get(
                number, number
            )
            for version in template["Versions"]:
                if str(version["VersionNumber"]) == str(number):
                    return version
            raise launches.LaunchError(
                f"You must use a valid fully-formed launch template. Could not find launch template version {number}."
            )
    raise launches.LaunchError(
        "You must use a valid fully-formed launch template. The specified launch template, with template ID "
        f"{wanted[0] or wanted[1]}, does not exist."
    )
