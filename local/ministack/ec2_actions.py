"""The calls of the EC2 API for instances that boot (instances.py)."""

import base64
import time

from ministack.services import ec2

import launches
from instances import STATES, Settings, booted, spawn
from patching import replace
from query_protocol import Api

CONSOLE_BYTES = 64 * 1024  # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html

api = Api("ec2")


def apply():
    actions = ec2._ACTION_MAP
    replace(ec2, "_launch_instances_internal", launches.boot_new)
    original_xml = replace(ec2, "_instance_xml", lambda record: without_empty_address(original_xml(record)))
    original_terminate = replace(actions, "TerminateInstances", lambda request: terminate(original_terminate, request))
    for name in ("StartInstances", "StopInstances", "RebootInstances"):
        actions[name] = refuse(name, actions[name])
    actions["GetConsoleOutput"] = get_console_output


def terminate(original, request):
    """TerminateInstances. AWS powers off without waiting for load balancers."""
    wanted = ec2._parse_member_list(request, "InstanceId")
    others = [instance_id for instance_id in wanted if instance_id not in booted]
    if others:  # records, terminated or unknown
        response = original({f"InstanceId.{number}": other for number, other in enumerate(others, 1)})
        if response[0] >= 400 or others == wanted:
            return response
    changes = []
    for instance in (booted[instance_id] for instance_id in wanted if instance_id in booted):
        previous = instance.record["State"]
        spawn(instance.terminate())
        current = {"Code": STATES["shutting-down"], "Name": "shutting-down"}
        changes.append({"InstanceId": instance.id, "PreviousState": previous, "CurrentState": current})
    content = api.xml("TerminateInstancesResult", {"TerminatingInstances": changes})
    return ec2._xml(200, "TerminateInstancesResponse", content)


def refuse(name, original):
    """Return the handler of an action that the instance program does not support."""

    def handle(request):
        if any(instance_id in booted for instance_id in ec2._parse_member_list(request, "InstanceId")):
            return ec2._error("UnsupportedOperation", f"The local AWS does not support {name}", 400)
        return original(request)

    return handle


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
