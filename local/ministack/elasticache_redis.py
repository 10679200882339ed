"""Redis of ElastiCache replication groups: a process of local/redis for each group, without TLS. Its replicas are the
same process.
"""

import contextlib
import logging
import os
import socket
import subprocess
import tempfile
import threading
import time

from ministack.services import elasticache

import addresses
from patching import replace

PORT = 6379
START_TIMEOUT = 10  # seconds
RETRY_SECONDS = 1

logger = logging.getLogger("elasticache_redis")

servers = {}  # by replication group ID


def apply(program):
    def start(name, *_, auth_token=None, labels=None, **__):
        group = (labels or {}).get("rg_id", name)
        servers[group] = Server(program, group, auth_token)
        return (*servers[group].address, None)

    def delete(request):
        response = original_delete(request)
        if response[0] == 200 and (server := servers.pop("".join(request["ReplicationGroupId"]), None)):
            server.stop()
        return response

    replace(elasticache, "_spawn_redis_container", start)
    original_delete = replace(elasticache, "_delete_replication_group", delete)


class Server:
    """The Redis of a replication group. Like ElastiCache, it replaces a process that ends. Raises OSError if none
    starts."""

    def __init__(self, program, group, password):
        self.program, self.group, self.password = program, group, password
        host, published = addresses.allocate([PORT])
        self.host, self.address = host, published[PORT]
        self.lock = threading.Lock()  # of self.process
        self.stopping = threading.Event()
        self.start()
        threading.Thread(target=self.watch, daemon=True).start()

    def start(self):
        """Start the process, and wait until it accepts connections. Raises OSError if it does not."""
        self.process = subprocess.Popen(
            [self.program, self.host, str(self.address[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={
                "PATH": os.environ["PATH"],
                "REDIS_PASSWORD": self.password or "",
                "TMPDIR": tempfile.gettempdir(),
            },
            start_new_session=True,
        )
        deadline = time.monotonic() + START_TIMEOUT
        while self.process.poll() is None and time.monotonic() < deadline and not self.stopping.is_set():
            try:
                socket.create_connection(self.address, timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.end_process()
        raise OSError(f"Redis of {self.group} does not start on {self.address[0]}:{self.address[1]}")

    def watch(self):
        """Replace the process each time it ends, until the server is stopped."""
        while True:
            status = self.process.wait()
            if self.stopping.is_set():
                return
            logger.warning("Redis of %s exited with status %d; it is replaced, without its data", self.group, status)
            while not self.restart():
                pass

    def restart(self):
        """Wait, and start a process unless the server is stopped. Return whether no other attempt is necessary."""
        if self.stopping.wait(RETRY_SECONDS):
            return True
        with self.lock:
            if self.stopping.is_set():
                return True
            try:
                self.start()
            except OSError as error:
                logger.warning("%s", error)
                return False
        return True

    def stop(self):
        self.stopping.set()
        with self.lock:
            self.end_process()

    def end_process(self):
        """End the process: it ends when its standard input does. Kill it if it does not."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def stop_all():
    for server in list(servers.values()):
        server.stop()
    servers.clear()


def with_actual_ports(text):
    """Return a text with HOST:6379 replaced by the address of the Redis on that host, if its port is another one.

    The stacks write the port 6379 into the user data.
    """
    for host, port in [server.address for server in servers.values()]:
        text = text.replace(f"{host}:{PORT}", f"{host}:{port}")
    return text


def information(group):
    """Return the fields of Redis's INFO, or {} if the server does not respond or has a password."""
    if (server := servers.get(group)) is None:
        return {}
    try:
        with socket.create_connection(server.address, timeout=1) as connection, connection.makefile("rb") as reply:
            connection.sendall(b"INFO\r\n")
            # https://redis.io/docs/latest/develop/reference/protocol-spec/#bulk-strings
            length = reply.readline()
            content = reply.read(int(length[1:])) if length.startswith(b"$") else b""
    except OSError:
        return {}
    lines = content.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
