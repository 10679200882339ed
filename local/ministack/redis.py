"""Redis of ElastiCache replication groups: a process of local/redis for each group, without TLS. Its replicas are the
same process.
"""

import logging
import os
import socket
import subprocess
import threading
import time

from ministack.services import elasticache

import instances
from patching import replace

PORT = 6379
START_TIMEOUT = 10  # seconds

logger = logging.getLogger("redis")

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
        host, addresses = instances.allocate([PORT])
        self.host, self.address = host, addresses[PORT]
        self.is_stopping = False
        self.start()
        threading.Thread(target=self.replace, daemon=True).start()

    def start(self):
        self.process = subprocess.Popen(
            [self.program, self.host, str(self.address[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "REDIS_PASSWORD": self.password or ""},
            start_new_session=True,
        )
        deadline = time.monotonic() + START_TIMEOUT
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(self.address, timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.process.kill()
        raise OSError(f"Redis of {self.group} does not start on {self.address[0]}:{self.address[1]}")

    def replace(self):
        while True:
            status = self.process.wait()
            if self.is_stopping:
                return
            logger.warning("Redis of %s exited with status %d; it is replaced, without its data", self.group, status)
            time.sleep(1)
            self.start()

    def stop(self):
        """End the process: it ends when its standard input does."""
        self.is_stopping = True
        self.process.stdin.close()
        self.process.wait(START_TIMEOUT)


def stop_all():
    for server in servers.values():
        server.stop()
    servers.clear()


def information(group):
    """Return the fields of Redis's INFO, or {} if the server does not respond or has a password."""
    if group not in servers:
        return {}
    try:
        with socket.create_connection(servers[group].address, timeout=1) as connection:
            connection.sendall(b"INFO\r\n")
            header = connection.recv(65536)
            while not header.endswith(b"\r\n"):
                header += connection.recv(65536)
    except OSError:
        return {}
    lines = header.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
