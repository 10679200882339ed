"""The launch of instances that boot, from a request or from a launch template."""

import base64
import ipaddress
import random
import re

from ministack.core.responses import get_region
from ministack.services import ec2

from instances import Instance, Settings, generation, volume_ids

original_launch = ec2._launch_instances_internal


class LaunchError(Exception):
    """An instance cannot be launched. The message is the status message of the scaling activity."""


def boot_new(*arguments, **options):
    """RunInstances and CreateFleet: boot the instances that MiniStack records."""
    records = original_launch(*arguments, **options)
    for record in records:
        place(record, {})
        if generation(record["ImageId"]):
            Instance(record, decode(record["UserData"]), ())
    return records


def launch(template, subnet_id, instance_type, tags, ports):
    """Launch an instance from the data of a launch template version in a subnet. Return the Instance.

    tags are the tags of the instance in addition to those of the template; ports are the ports to publish. Raises
    LaunchError.
    """
    if Settings.is_closing:
        raise LaunchError("The emulator is stopping")
    image = template.get("ImageId", "")
    if not generation(image):
        raise LaunchError(f"The image id '[{image}]' does not exist. Launching EC2 instance failed.")
    if subnet_id not in ec2._subnets:
        raise LaunchError(f"The subnet ID '{subnet_id}' does not exist. Launching EC2 instance failed.")
    profile = template.get("IamInstanceProfile", {})
    profile, problem = ec2._resolve_iam_instance_profile(profile.get("Arn", ""), profile.get("Name", ""))
    if problem:
        raise LaunchError(re.search(rb"<Message>(.*?)</Message>", problem[2], re.S)[1].decode())
    interface = next(iter(template.get("NetworkInterfaces", [])), {})
    records = original_launch(
        image,
        instance_type or template.get("InstanceType", "m1.small"),
        subnet_id,
        1,
        key_name=template.get("KeyName", ""),
        user_data=template.get("UserData", ""),
        sg_ids=interface.get("Groups") or template.get("SecurityGroupIds"),
        iam_profile=profile,
    )
    record = records[0]
    place(record, template)
    specified = {item["ResourceType"]: item.get("Tags", []) for item in template.get("TagSpecifications", [])}
    merged = {tag["Key"]: tag["Value"] for tag in [*specified.get("instance", []), *tags]}
    ec2._tags[record["InstanceId"]] = [{"Key": key, "Value": value} for key, value in merged.items()]
    for volume in volume_ids(record):
        ec2._tags[volume] = specified.get("volume", [])
    return Instance(record, decode(record["UserData"]), ports)


def place(record, template):
    """Complete MiniStack's record: it has random addresses, the first zone of the region, and a default volume."""
    subnet, region = ec2._subnets[record["SubnetId"]], get_region()
    used = {other["PrivateIpAddress"] for other in ec2._instances.values() if other is not record}
    network = ipaddress.ip_network(subnet["CidrBlock"])
    # AWS reserves the first four addresses and the last one
    # (https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html).
    while (private := str(network[random.randrange(4, network.num_addresses - 1)])) in used:
        pass
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    interface = next(iter(template.get("NetworkInterfaces", [])), {})
    is_public = interface.get("AssociatePublicIpAddress", subnet.get("MapPublicIpOnLaunch", False))
    record.update(
        PrivateIpAddress=private,
        PrivateDnsName=f"ip-{private.replace('.', '-')}.{domain}",
        Monitoring={"State": "enabled" if template.get("Monitoring", {}).get("Enabled") else "disabled"},
    )
    record["Placement"]["AvailabilityZone"] = subnet["AvailabilityZone"]
    if not is_public:
        record.update(PublicIpAddress="", PublicDnsName="")
    root = next((item for item in template.get("BlockDeviceMappings", []) if "Ebs" in item), {"Ebs": {}})["Ebs"]
    for volume in volume_ids(record):
        ec2._volumes[volume].update(
            AvailabilityZone=subnet["AvailabilityZone"],
            Size=root.get("VolumeSize", 8),
            VolumeType=root.get("VolumeType", "gp3"),
            Encrypted=root.get("Encrypted", False),
        )


def decode(user_data):
    return base64.b64decode(user_data).decode(errors="replace")
