"""Instance refreshes: the rolling replacement of the instances of an Auto Scaling group.

Sources:
- https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
- https://docs.aws.amazon.com/autoscaling/ec2/userguide/understand-instance-refresh-default-values.html
- https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html
- https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html

Checkpoints, bake time, alarms and rollbacks are not supported.
"""

import asyncio
import logging
import math
import time

from ministack.core.responses import new_uuid, request_scope

import groups
import instances
from timing import scaled

logger = logging.getLogger("instance_refresh")

# "If the new instances do not pass their health checks, Amazon EC2 Auto Scaling keeps retrying for an hour."
RETRY_SECONDS = 3600
ACTIVE = ("Pending", "InProgress", "Cancelling")


class Refresh:
    """An instance refresh. preferences and desired_configuration are those of StartInstanceRefresh."""

    def __init__(self, group, preferences, desired_configuration):
        self.group, self.id = group, new_uuid()
        self.preferences = {"MinHealthyPercentage": 90, "SkipMatching": False, **preferences}
        self.desired_configuration = desired_configuration
        self.status, self.reason = "Pending", None
        self.start_time, self.end_time = time.time(), None
        self.to_replace = set()  # IDs of instances
        self.total = self.replaced = 0
        group.refreshes.insert(0, self)
        self.task = instances.spawn(self.run())

    @property
    def is_active(self):
        return self.status in ACTIVE

    def describe(self):
        """Return the refresh in the form of the API's InstanceRefresh."""
        return {
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": self.group.name,
            "Status": self.status,
            "StatusReason": self.reason,
            "StartTime": self.start_time,
            "EndTime": self.end_time,
            "PercentageComplete": 100 * self.replaced // self.total if self.total else 100 * (not self.is_active),
            "InstancesToUpdate": self.total - self.replaced,
            "Preferences": self.preferences,
            "DesiredConfiguration": self.desired_configuration or None,
            "Strategy": "Rolling",
        }

    def cancel(self):
        self.status = "Cancelling"
        self.group.wake.set()

    def stop(self):
        """End the refresh, because the group is deleted."""
        if self.is_active:
            self.task.cancel()
            self.finish("Cancelled", "The Auto Scaling group is deleted.")

    def finish(self, status, reason=None):
        self.status, self.reason, self.end_time = status, reason, time.time()
        self.group.surge = 0
        self.group.wake.set()

    async def run(self):
        with request_scope(self.group.account, self.group.region):
            try:
                await self.replace_all()
                if self.status == "Cancelling":
                    self.group.surge = 0
                    await self.wait_until(self.is_settled)
                    self.finish("Cancelled", "Cancelled due to user request.")
                else:
                    self.adopt_configuration()
                    self.finish("Successful")
            except TimeoutError:
                self.finish("Failed", f"The instance refresh made no progress for an hour. {self.reason}")
            except Exception as error:
                logger.exception("instance refresh of %s", self.group.name)
                self.finish("Failed", f"Internal error of the local AWS: {error!r}")

    async def replace_all(self):
        group = self.group
        if self.status == "Pending":
            self.status = "InProgress"
        self.to_replace = {member["InstanceId"] for member in group.active() if not self.is_skipped(member)}
        self.total = len(self.to_replace)
        while self.status == "InProgress" and (outdated := self.outdated()):
            surge, size = self.batch(group.desired)
            batch = outdated[:size]
            if not surge:
                self.terminate(batch)
            group.surge = len(batch) if surge else 0
            for _ in batch:
                group.launch(self.cause("launched"))
            await self.wait_until(self.is_replacement_ready, scaled(RETRY_SECONDS))
            if self.status != "InProgress":
                return
            if surge:
                group.surge = 0
                self.terminate([member for member in batch if member in group.active()])
            self.replaced = self.total - len(self.outdated())
        # A refresh that is successful has terminated the old instances.
        await self.wait_until(lambda: not any(member["InstanceId"] in self.to_replace for member in group.members))

    def is_skipped(self, member):
        """Return whether skip matching leaves an instance."""
        if not self.preferences["SkipMatching"]:
            return False
        specification, instance_type = self.group.launch_template()
        version = groups.resolve(specification)
        current = member["LaunchTemplate"]
        is_version = (current["LaunchTemplateId"], current["Version"]) == (
            version["LaunchTemplateId"],
            str(version["VersionNumber"]),
        )
        return is_version and instance_type in (None, member["InstanceType"])

    def outdated(self):
        return [member for member in self.group.active() if member["InstanceId"] in self.to_replace]

    def batch(self, desired):
        """Return whether new instances are launched before old ones are terminated, and how many at once."""
        least = math.ceil(desired * self.preferences["MinHealthyPercentage"] / 100)
        most = math.ceil(desired * self.preferences.get("MaxHealthyPercentage", 100) / 100)
        if most > desired:
            return True, most - desired
        return False, max(1, desired - least)

    def terminate(self, batch):
        for member in batch:
            selected = f"  At {groups.now()} instance {member['InstanceId']} was selected for termination."
            self.group.terminate(member, self.cause("taken out of service") + selected)

    def cause(self, action):
        return f"At {groups.now()} an instance was {action} in response to an instance refresh."

    def warmup(self):
        """Return the instance warmup in seconds, shortened."""
        for seconds in (self.preferences.get("InstanceWarmup"), self.group.requested.get("DefaultInstanceWarmup")):
            if seconds is not None and seconds >= 0:
                return scaled(seconds)
        return scaled(self.group.record["HealthCheckGracePeriod"])

    def is_replacement_ready(self):
        group, warmup = self.group, self.warmup()
        active = group.active()
        new = [member for member in active if member["InstanceId"] not in self.to_replace]
        reasons = [group.unready_reason(member, warmup) for member in new]
        self.reason = next(filter(None, reasons), None)
        return self.reason is None and len(active) >= group.desired + group.surge

    def is_settled(self):
        """Return whether no instance is launched or terminated, and none has to be terminated."""
        members = self.group.members
        has_surplus = len(members) > self.group.desired
        return not has_surplus and all(member["LifecycleState"] == "InService" for member in members)

    async def wait_until(self, condition, seconds=None):
        """Wait until a condition holds or the refresh is cancelled. Raises TimeoutError."""
        status = self.status
        async with asyncio.timeout(seconds):
            while not condition() and self.status == status:
                await asyncio.sleep(groups.TICK)

    def adopt_configuration(self):
        """Change the group to the desired configuration."""
        group, desired = self.group, self.desired_configuration
        if "LaunchTemplate" in desired:
            group.record["LaunchTemplate"] = desired["LaunchTemplate"]
            group.requested.pop("MixedInstancesPolicy", None)
        if "MixedInstancesPolicy" in desired:
            group.record["LaunchTemplate"] = {}
            group.requested["MixedInstancesPolicy"] = desired["MixedInstancesPolicy"]
