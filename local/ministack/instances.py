"""EC2 instances that boot: MiniStack's record of an instance, and a process of the instance program (local/instance).

The process runs the user data of the instance. It ends when its standard input does, so no instance survives the
emulator, however that ends. An instance has an address of its own, where its published ports answer (addresses.py).

RunInstances boots an instance only if its image is Amazon Linux 2 or 2023. Every other instance is a record, as in
MiniStack.
"""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import time
from pathlib import Path

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import ec2

import addresses
import elasticache_redis
import timing

logger = logging.getLogger("instances")

# The codes of the instance states
# (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html).
STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48}
GENERATIONS = {"amzn2": "2", "al2023": "2023"}  # versions of Amazon Linux, by the first word of an image's name
STOP_GRACE = 10  # seconds that the instance program gives its services to stop
LEAST_STOP_GRACE = 2  # seconds, if the time factor is large
# A terminated instance stays visible for about an hour
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html).
VISIBLE_AFTER_TERMINATION = 3600  # seconds
CLEANUP_AFTER_TERMINATION = 60  # seconds after which MiniStack deletes the record

booted = {}  # the instances that are not terminated, by ID
tasks = set()  # asyncio keeps only weak references to tasks


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
        self.host, self.addresses = addresses.allocate(ports)
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
            "userData": elasticache_redis.with_actual_ports(self.user_data),
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
            await asyncio.wait_for(self.process.wait(), timing.scaled(STOP_GRACE, LEAST_STOP_GRACE) + 3)
        except TimeoutError:
            logger.warning("%s does not power off: it is killed", self.id)
            kill_session(self.process.pid)
            await self.process.wait()
        await asyncio.to_thread(shutil.rmtree, self.directory / "root", ignore_errors=True)

    async def terminate(self):
        if self.record["State"]["Name"] in ("shutting-down", "terminated"):
            return await self.power_off()
        self.set_state("shutting-down")
        await self.power_off()
        self.set_state("terminated")
        booted.pop(self.id, None)
        with request_scope(self.account, self.region):
            delete_attachments(self.record)


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


def address(instance_id, port):
    """Return (host, port) at which a port of an instance is reachable, or None if the instance is not running."""
    instance = booted.get(instance_id)
    if instance is None or instance.record["State"]["Name"] not in ("pending", "running"):
        return None
    return instance.addresses.get(port, (instance.host, port) if addresses.HAS_OWN_ADDRESSES else None)


def is_running(instance_id):
    return ec2._instances.get(instance_id, {}).get("State", {}).get("Name") == "running"


def generation(image_id):
    """Return the version of Amazon Linux of an image, "2" or "2023", or None."""
    name = next((image[1] for image in ec2._STUB_AMIS if image[0] == image_id), "")
    return GENERATIONS.get(name.split("-")[0])


def volume_ids(record):
    return [mapping["Ebs"]["VolumeId"] for mapping in record["BlockDeviceMappings"]]


def delete_attachments(record):
    """Delete what belongs to a terminated instance."""
    record["_terminated_at"] = time.time() + VISIBLE_AFTER_TERMINATION - CLEANUP_AFTER_TERMINATION
    for volume in volume_ids(record):
        ec2._volumes.pop(volume, None)
    record["BlockDeviceMappings"] = []
    ec2._iam_instance_profile_associations.pop(record.pop("IamInstanceProfileAssociationId", None), None)
