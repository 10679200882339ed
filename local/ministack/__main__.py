"""Run MiniStack, an AWS emulator, with this project's patches on 127.0.0.1.

    python local/ministack [--port 4566] [--account 123456789012]

MiniStack stores nothing on disk: SIGTERM or Ctrl-C ends it, and every resource is lost. The access key "test" has every
permission. A role that is assumed with it has the permissions that its policies allow.
"""

import argparse
import asyncio
import os
import socket
import sys
import tempfile

IDLE_TIMEOUT = 3600  # seconds


def main():
    options = parse_arguments()
    if is_port_in_use(options.port):
        sys.exit(f"cannot start MiniStack: port {options.port} on 127.0.0.1 is in use; choose another with --port")
    with tempfile.TemporaryDirectory(prefix="ministack-") as directory:
        configure(options, directory)
        run(options.port)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--account", default="123456789012")
    return parser.parse_args()


def is_port_in_use(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def configure(options, directory):
    """Set MiniStack's environment variables. MiniStack reads them when it is imported."""
    os.environ.update(
        {
            "MINISTACK_ACCOUNT_ID": options.account,
            "GATEWAY_PORT": str(options.port),
            "AUTH": "true",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            "TMPDIR": directory,
        }
    )
    tempfile.tempdir = directory


def run(port):
    sys.dont_write_bytecode = True
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    import iam
    import introspection
    import patches

    introspection.record_calls()
    patches.apply()
    iam.apply()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    # AWS clients close idle connections themselves. Terraform does not retry a call that fails because the server has
    # closed the connection.
    config.keep_alive_timeout = IDLE_TIMEOUT
    config.loglevel = os.environ["LOG_LEVEL"]
    asyncio.run(serve(introspection.wrap(app), config))


if __name__ == "__main__":
    main()
