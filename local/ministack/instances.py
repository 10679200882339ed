"""EC2 instances that boot: MiniStack's record of an instance, and a process of the instance program (local/instance).

The process runs the user data of the instance. It ends when its standard input does, so no instance survives the
emulator, however that ends. An instance listens on its own address of 127.64.0.0/10. macOS has 127.0.0.1 only, so
there, each published port of an instance is another port.

RunInstances boots an instance only if its image is Amazon Linux 2 or 2023. Every other instance is a record, as in
MiniStack.
"""

import asyncio
import base64
import contextlib
import ipaddress
import json
import logging
import os
import random
import re
import secrets
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import ec2

import timing
from patching import replace
from query_protocol import Api, element

logger = logging.getLogger("instances")

# The codes of the instance states
# (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html).
STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
GENERATIONS = {"amzn2": "2", "al2023": "2023"}  # versions of Amazon Linux, by the first word of an image's name
STOP_GRACE = 10  # seconds that the instance program gives its services to stop
CONSOLE_BYTES = 64 * 1024  # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
# A terminated instance stays visible for about an hour
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html).
VISIBLE_AFTER_TERMINATION = 3600  # seconds
CLEANUP_AFTER_TERMINATION = 60  # seconds after which MiniStack deletes the record

api = Api("ec2")
booted = {}  # the instances that are not terminated, by ID
tasks = set()  # asyncio keeps only weak references to tasks


class LaunchError(Exception):
    """An instance cannot be launched. The message is the status message of the scaling activity."""


class Settings:
    """The options of the emulator."""

    directory: Path  # has a directory for each instance
    program: str  # path of the instance program
    port: int  # of the AWS API
    is_closing = False


def configure(directory, program, port):
    """Set the options, and remove what an emulator that was killed has left in the directory."""
    Settings.directory, Settings.program, Settings.port = Path(directory).resolve(), str(Path(program).resolve()), port
    Settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for stale in Settings.directory.glob("i-*"):
        shutil.rmtree(stale, ignore_errors=True)


def apply():
    actions = ec2._ACTION_MAP
    original_launch = replace(ec2, "_launch_instances_internal", lambda *a, **k: boot_new(original_launch, *a, **k))
    original_xml = replace(ec2, "_instance_xml", lambda record: without_empty_address(original_xml(record)))
    for name, states in {
        "TerminateInstances": ("shutting-down", "terminated"),
        "StopInstances": ("stopping", "stopped"),
    }.items():
        actions[name] = power_off_action(name, actions[name], *states)
    for name in ("StartInstances", "RebootInstances"):
        actions[name] = refuse(name, actions[name])
    actions["DescribeInstanceStatus"] = describe_instance_status
    actions["GetConsoleOutput"] = get_console_output


def spawn(coroutine):
    """Run a coroutine as a task. Log the exception that ends it."""
    task = asyncio.create_task(coroutine)
    tasks.add(task)
    task.add_done_callback(end)
    return task


def end(task):
    tasks.discard(task)
    if not task.cancelled() and task.exception():
        logger.error("task %s", task.get_coro(), exc_info=task.exception())


class Instance:
    """An instance that boots. record is MiniStack's record of it, and addresses its published ports."""

    def __init__(self, record, user_data, ports):
        self.record, self.id, self.user_data = record, record["InstanceId"], user_data
        self.account, self.region = get_account_id(), get_region()
        self.directory = Settings.directory / self.id
        self.host, self.addresses = allocate(ports)
        self.secret = secrets.token_urlsafe(32)
        self.process = None
        self.is_impaired = self.is_stopping = False
        self.set_state("pending")
        booted[self.id] = self
        self.boot_task = spawn(self.boot())

    def set_state(self, name):
        self.record["State"] = {"Code": STATES[name], "Name": name}

    async def boot(self):
        """Start the instance program. Raises OSError if it cannot be started."""
        self.directory.mkdir(mode=0o700)
        config = self.directory / "instance.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps(self.config(), indent=1))
        with open(self.directory / "console.log", "ab") as console:
            self.process = await asyncio.create_subprocess_exec(
                *(Settings.program, "init", str(config)),
                stdin=asyncio.subprocess.PIPE,
                stdout=console,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                env={"PATH": os.environ["PATH"]},
                cwd=self.directory,
            )
        if not self.is_stopping:
            self.set_state("running")
        spawn(self.watch())

    def config(self):
        """Return the configuration that the instance program reads."""
        endpoint = f"http://127.0.0.1:{Settings.port}"
        return {
            "instanceId": self.id,
            "root": str(self.directory / "root"),
            "amazonLinux": generation(self.record["ImageId"]),
            "userData": self.user_data,
            "address": self.host,
            "publish": {str(port): address[1] for port, address in self.addresses.items()},
            "region": self.region,
            "endpoint": endpoint,
            "metadata": f"{endpoint}/_local/imds/{self.secret}",
            "timeFactor": timing.factor,
            "path": os.environ["PATH"],
        }

    async def watch(self):
        """Wait until the process exits. If it exits by itself, the instance fails its status checks."""
        status = await self.process.wait()
        if not self.is_stopping:
            self.is_impaired = True
            logger.warning("%s: the instance program exited with status %d", self.id, status)
        kill_session(self.process.pid)
        await asyncio.to_thread(shutil.rmtree, self.directory / "root", ignore_errors=True)

    async def power_off(self):
        """End the process. Every call returns after it has exited and its root directory is removed."""
        self.is_stopping = True
        await asyncio.wait({self.boot_task})
        if self.process is None:
            return
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), timing.scaled(STOP_GRACE, 1) + 3)
        except TimeoutError:
            logger.warning("%s does not power off: it is killed", self.id)
            kill_session(self.process.pid)
            await self.process.wait()
        await asyncio.to_thread(shutil.rmtree, self.directory / "root", ignore_errors=True)

    async def shut_down(self, transition, state):
        """Power off, and change the state."""
        if self.record["State"]["Name"] in (transition, state, "terminated"):
            return await self.power_off()
        self.set_state(transition)
        await self.power_off()
        self.set_state(state)
        if state == "terminated":
            booted.pop(self.id, None)
            with request_scope(self.account, self.region):
                delete_attachments(self.record)

    async def terminate(self):
        await self.shut_down("shutting-down", "terminated")


def kill_session(session):
    """Kill the processes of a session: an instance program that hangs or has crashed, and what it has started.

    On macOS, kill the process group of the program only.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getsid(int(entry.name)) == session:
                os.kill(int(entry.name), signal.SIGKILL)


async def power_off_all():
    """Power off every instance, because the emulator ends. No instance can be launched any more."""
    Settings.is_closing = True
    await asyncio.gather(*(instance.power_off() for instance in booted.values()), return_exceptions=True)


def allocate(ports):
    """Return a host and the published ports, as {port: (host, port)}, that no process listens on."""
    if sys.platform != "linux":
        return "127.0.0.1", {port: ("127.0.0.1", free_port()) for port in ports}
    network = ipaddress.ip_network("127.64.0.0/10")
    while True:
        host = str(network[random.randrange(1, network.num_addresses - 1)])
        if all(host != instance.host for instance in booted.values()) and all(is_free(host, port) for port in ports):
            return host, {port: (host, port) for port in ports}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(host, port):
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def address(instance_id, port):
    """Return (host, port) at which a port of an instance is reachable, or None if the instance is not running."""
    instance = booted.get(instance_id)
    if instance is None or instance.record["State"]["Name"] not in ("pending", "running"):
        return None
    if sys.platform == "linux":
        return instance.host, port
    return instance.addresses.get(port)


def is_running(instance_id):
    return ec2._instances.get(instance_id, {}).get("State", {}).get("Name") == "running"


def generation(image_id):
    """Return the version of Amazon Linux of an image, "2" or "2023", or None."""
    name = next((image[1] for image in ec2._STUB_AMIS if image[0] == image_id), "")
    return GENERATIONS.get(name.split("-")[0])


# Launch


def boot_new(original, *arguments, **options):
    """RunInstances and CreateFleet: boot the instances that MiniStack records."""
    records = original(*arguments, **options)
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


original_launch = ec2._launch_instances_internal


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


def volume_ids(record):
    return [mapping["Ebs"]["VolumeId"] for mapping in record["BlockDeviceMappings"]]


def delete_attachments(record):
    """Delete what belongs to a terminated instance."""
    record["_terminated_at"] = time.time() + VISIBLE_AFTER_TERMINATION - CLEANUP_AFTER_TERMINATION
    for volume in volume_ids(record):
        ec2._volumes.pop(volume, None)
    record["BlockDeviceMappings"] = []
    ec2._iam_instance_profile_associations.pop(record.pop("IamInstanceProfileAssociationId", None), None)


# The EC2 API


def power_off_action(name, original, transition, state):
    """Return the handler of TerminateInstances or StopInstances. AWS powers off without waiting for load balancers."""

    def handle(request):
        wanted = ec2._parse_member_list(request, "InstanceId")
        if not all(instance_id in booted for instance_id in wanted):
            return original(request)  # unknown and terminated instances, and records
        changes = []
        for instance in (booted[instance_id] for instance_id in wanted):
            previous = instance.record["State"]
            spawn(instance.shut_down(transition, state))
            current = {"Code": STATES[transition], "Name": transition}
            changes.append({"InstanceId": instance.id, "PreviousState": previous, "CurrentState": current})
        shape = {"TerminateInstances": "TerminatingInstances", "StopInstances": "StoppingInstances"}[name]
        return ec2._xml(200, f"{name}Response", api.xml(f"{name}Result", {shape: changes}))

    return handle


def refuse(name, original):
    """Return the handler of an action that the instance program does not support."""

    def handle(request):
        if any(instance_id in booted for instance_id in ec2._parse_member_list(request, "InstanceId")):
            return ec2._error("UnsupportedOperation", f"The local AWS does not support {name}", 400)
        return original(request)

    return handle


def describe_instance_status(request):
    """An instance whose program has exited by itself is impaired."""
    wanted = ec2._parse_member_list(request, "InstanceId")
    includes_all = ec2._p(request, "IncludeAllInstances", "false") == "true"
    items = []
    for instance_id in wanted:
        if instance_id not in ec2._instances:
            message = f"The instance ID '{instance_id}' does not exist"
            return ec2._error("InvalidInstanceID.NotFound", message, 400)
    for record in ec2._instances.values():
        if wanted and record["InstanceId"] not in wanted:
            continue
        if includes_all or record["State"]["Name"] == "running":
            items.append(element("item", api.xml("InstanceStatus", instance_status(record))))
    return ec2._xml(200, "DescribeInstanceStatusResponse", element("instanceStatusSet", "".join(items)))


def instance_status(record):
    def summary(status, reachability):
        return {"Status": status, "Details": [{"Name": "reachability", "Status": reachability}]}

    instance = booted.get(record["InstanceId"])
    if record["State"]["Name"] != "running":
        instance_summary = system_summary = {"Status": "not-applicable"}
    else:
        is_impaired = instance is not None and instance.is_impaired
        instance_summary = summary("impaired", "failed") if is_impaired else summary("ok", "passed")
        system_summary = summary("ok", "passed")
    return {
        "AvailabilityZone": record["Placement"]["AvailabilityZone"],
        "InstanceId": record["InstanceId"],
        "InstanceState": record["State"],
        "InstanceStatus": instance_summary,
        "SystemStatus": system_summary,
    }


def get_console_output(request):
    instance_id = ec2._p(request, "InstanceId")
    if instance_id not in ec2._instances:
        return ec2._error("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist", 400)
    console = Settings.directory / instance_id / "console.log"
    output = {"InstanceId": instance_id, "Timestamp": time.time()}
    if console.exists():
        output.update(Timestamp=console.stat().st_mtime)
        output["Output"] = base64.b64encode(console.read_bytes()[-CONSOLE_BYTES:]).decode()
    return ec2._xml(200, "GetConsoleOutputResponse", api.xml("GetConsoleOutputResult", output))


def without_empty_address(xml):
    """Every call that returns instances: AWS leaves out the address of an instance without a public address."""
    return xml.replace("<ipAddress></ipAddress>", "")
