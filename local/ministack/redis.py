"""Redis of ElastiCache replication groups: a process of local/redis for each group, without TLS. Its replicas are the
same process.
"""

import os
import socket
import subprocess
import time

from ministack.services import elasticache

import instances
from patching import replace

PORT = 6379
START_TIMEOUT = 10  # seconds

servers = {}  # processes by replication group ID, with their (host, port)


def apply(program):
    def start(name, *_, auth_token=None, labels=None, **__):
        return (*start_server(program, (labels or {}).get("rg_id", name), auth_token), None)

    def delete(request):
        response = original_delete(request)
        if response[0] == 200:
            stop_server("".join(request["ReplicationGroupId"]))
        return response

    replace(elasticache, "_spawn_redis_container", start)
    original_delete = replace(elasticache, "_delete_replication_group", delete)


def start_server(program, group, password):
    """Start the Redis of a replication group, and return its (host, port). Raises OSError if it does not start."""
    host, addresses = instances.allocate([PORT])
    address = addresses[PORT]
    process = subprocess.Popen(
        [program, host, str(address[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "REDIS_PASSWORD": password or ""},
        start_new_session=True,
    )
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            servers[group] = process, address
            return address
    process.kill()
    raise OSError(f"Redis of {group} does not start on {address[0]}:{address[1]}")


def stop_server(group):
    """End the Redis of a replication group: it ends when its standard input does."""
    if group in servers:
        process, _ = servers.pop(group)
        process.stdin.close()
        process.wait(START_TIMEOUT)


def stop_all():
    for group in list(servers):
        stop_server(group)


def information(group):
    """Return the fields of Redis's INFO, or {} if the server does not respond or has a password."""
    if group not in servers:
        return {}
    try:
        with socket.create_connection(servers[group][1], timeout=1) as connection:
            connection.sendall(b"INFO\r\n")
            header = connection.recv(65536)
            while not header.endswith(b"\r\n"):
                header += connection.recv(65536)
    except OSError:
        return {}
    lines = header.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
