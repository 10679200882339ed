"""The calls of the EC2 API for instances that boot (instances.py)."""

import base64
import time

from ministack.services import ec2

import launches
from instances import STATES, Settings, booted, spawn
from patching import replace
from query_protocol import Api, element

CONSOLE_BYTES = 64 * 1024  # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html

api = Api("ec2")


def apply():
    actions = ec2._ACTION_MAP
    replace(ec2, "_launch_instances_internal", launches.boot_new)
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


def power_off_action(name, original, transition, state):
    """Return the handler of TerminateInstances or StopInstances. AWS powers off without waiting for load balancers."""

    def handle(request):
        wanted = ec2._parse_member_list(request, "InstanceId")
        others = [instance_id for instance_id in wanted if instance_id not in booted]
        if others:  # records, terminated or unknown
            response = original({f"InstanceId.{number}": other for number, other in enumerate(others, 1)})
            if response[0] >= 400 or others == wanted:
                return response
        changes = []
        for instance in (booted[instance_id] for instance_id in wanted if instance_id in booted):
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
