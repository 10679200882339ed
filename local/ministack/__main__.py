"""A local AWS on 127.0.0.1: MiniStack, with what it lacks or answers differently from AWS put right.

    python local/ministack [--port 4566] [--account 123456789012]

Everything is forgotten when it stops (SIGTERM or Ctrl-C). The access key "test" may do everything; a role that is
assumed with it may do what its policies allow.
"""

import argparse
import asyncio
import os
import socket
import sys
import tempfile


def main():
    options = arguments()
    if taken(options.port):
        sys.exit(f"The local AWS cannot start: port {options.port} on 127.0.0.1 is taken; choose another with --port.")
    with tempfile.TemporaryDirectory(prefix="local-aws-") as scratch:
        configure(options, scratch)
        run(options.port)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--account", default="123456789012")
    return parser.parse_args()


def taken(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def configure(options, scratch):
    """MiniStack reads its settings from the environment, when it is imported."""
    os.environ.update({
        "MINISTACK_ACCOUNT_ID": options.account,
        "GATEWAY_PORT": str(options.port),
        "AUTH": "true",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "TMPDIR": scratch,
    })
    tempfile.tempdir = scratch


def run(port):
    sys.dont_write_bytecode = True
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    import patches
    import introspection
    import iam

    introspection.record()
    patches.apply()
    iam.apply()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 3600  # AWS's clients end idle connections themselves; Terraform does not repeat a lost call
    config.loglevel = os.environ["LOG_LEVEL"]
    asyncio.run(serve(introspection.inspected(app), config))


if __name__ == "__main__":
    main()
