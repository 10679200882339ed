"""Addresses and ports of this machine, for the instances and Redis.

Linux has every address in 127.0.0.0/8, so an instance or a Redis gets an address of its own in 127.64.0.0/10. macOS has
127.0.0.1 only, so there, each published port is another port.
"""

import ipaddress
import random
import socket
import sys

HAS_OWN_ADDRESSES = sys.platform == "linux"
NETWORK = ipaddress.ip_network("127.64.0.0/10")
ATTEMPTS = 20

used = set()  # hosts that allocate has returned


def free_port(host, port=0):
    """Return a port of a host that no process listens on: the given one, or any for 0. Return None if it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return None
        return probe.getsockname()[1]


def allocate(ports):
    """Return a host and the published ports, as {port: (host, port)}, that no process listens on.

    On Linux, a published port has its own number, unless it is in use on every address because a process listens on
    0.0.0.0.
    """
    if not HAS_OWN_ADDRESSES:
        return "127.0.0.1", {port: ("127.0.0.1", free_port("127.0.0.1")) for port in ports}
    for _ in range(ATTEMPTS):
        while (host := str(NETWORK[random.randrange(1, NETWORK.num_addresses - 1)])) in used:
            pass
        used.add(host)
        if all(free_port(host, port) for port in ports):
            break
    return host, {port: (host, free_port(host, port) or free_port(host)) for port in ports}
