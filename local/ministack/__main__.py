"""Run MiniStack, an AWS emulator, with this project's patches on 127.0.0.1.

    export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...
    python local/ministack [--port 4566] [--site-port 4567] [--account 123456789012]
        [--instances DIRECTORY --instance-program FILE [--redis-program FILE] [--time-factor 20]]
        [--fault-rate 0.05 --fault-seed 1] [--down SERVICE:SECONDS]

MiniStack stores nothing on disk: SIGTERM or Ctrl-C ends it, and every resource is lost. The access key in the
environment has every permission. A role that is assumed with it has the permissions that its policies allow.

--port is the AWS API, for clients that have an access key. --site-port serves CloudFront and the load balancers.

With --instances, EC2 instances boot: each is a process of the instance program (local/instance), with a directory in
DIRECTORY. Without it, instances are records. Likewise with --redis-program (local/redis), the replication groups of
ElastiCache have a Redis. The waiting times of AWS are divided by --time-factor.

With --fault-rate, that part of the requests to the API fails: throttled, with an internal error, or because the
connection breaks. With --down, a service is down for a time that begins with its first request.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile

IDLE_TIMEOUT = 3600  # seconds

# The services that the stacks and the tests use; MiniStack has many more. sqs receives what sns sends in the tests.
SERVICES = (
    "acm",
    "autoscaling",
    "backup",
    "budgets",
    "cloudfront",
    "dynamodb",
    "ec2",
    "ecr",
    "elasticache",
    "elasticloadbalancing",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "route53",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
    "tagging",
    "wafv2",
)


def main():
    options = parse_arguments()
    sys.dont_write_bytecode = True
    from addresses import free_port

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if not os.environ.get(name):
            sys.exit(f"cannot start MiniStack: {name} is not set")
    for option, port in (("--port", options.port), ("--site-port", options.site_port)):
        if not free_port("127.0.0.1", port):
            sys.exit(f"cannot start MiniStack: port {port} on 127.0.0.1 is in use; choose another with {option}")
    with tempfile.TemporaryDirectory(prefix="ministack-") as directory:
        configure(options, directory)
        run(options)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--site-port", type=int, default=4567)
    parser.add_argument("--account", default="123456789012")
    parser.add_argument("--instances", metavar="DIRECTORY")
    parser.add_argument("--instance-program", metavar="FILE")
    parser.add_argument("--redis-program", metavar="FILE")
    parser.add_argument("--time-factor", type=float, default=20)
    parser.add_argument("--fault-rate", type=float, default=0)
    parser.add_argument("--fault-seed", type=int, default=0)
    parser.add_argument("--down", metavar="SERVICE:SECONDS", type=parse_down)
    options = parser.parse_args()
    if bool(options.instances) != bool(options.instance_program):
        parser.error("--instances and --instance-program require each other")
    if options.time_factor < 1:
        parser.error("--time-factor must be at least 1")
    return options


def parse_down(text):
    service, _, seconds = text.partition(":")
    return service, float(seconds)


def configure(options, directory):
    """Set MiniStack's environment variables. MiniStack reads them when it is imported."""
    os.environ.update(
        {
            "MINISTACK_ACCOUNT_ID": options.account,
            "GATEWAY_PORT": str(options.port),
            "AUTH": "true",
            "SERVICES": ",".join(SERVICES),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{options.port}",  # of Lambda functions, which are processes
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            "TMPDIR": directory,
        }
    )
    tempfile.tempdir = directory


def run(options):
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    import access
    import alarms
    import constraints
    import ec2_actions
    import elasticache_redis
    import faults
    import forwarding
    import group_actions
    import iam
    import instance_metadata
    import instances
    import introspection
    import load_balancer_requests
    import metrics
    import patches
    import site_port
    import targets
    import timing

    timing.factor = options.time_factor
    introspection.record_calls()
    patches.apply(instances_boot=bool(options.instances))
    iam.apply()
    if options.instances:
        instances.configure(options.instances, options.instance_program, options.port)
        for module in (ec2_actions, targets, forwarding, group_actions, load_balancer_requests, alarms):
            module.apply()
    if options.redis_program:
        elasticache_redis.apply(options.redis_program)
    key, secret = os.environ.pop("AWS_ACCESS_KEY_ID"), os.environ.pop("AWS_SECRET_ACCESS_KEY")
    access.apply(options.account, key, secret)
    constraints.apply()
    site_port.apply()
    metadata = instance_metadata.PREFIX, instance_metadata.serve
    endpoints = introspection.ENDPOINTS | {"/_local/faults": lambda: faults.counts}
    api = access.guard(app, options.port, endpoints, secret, *metadata)
    if options.fault_rate or options.down:
        api = faults.between(api, options.fault_rate, options.fault_seed, options.down)
    site = site_port.serve_with(app)

    async def dispatch(scope, receive, send):
        is_site = scope["type"] != "lifespan" and scope["server"][1] == options.site_port
        await (site if is_site else api)(scope, receive, send)

    config = Config()
    config.bind = [f"127.0.0.1:{port}" for port in (options.port, options.site_port)]
    # AWS clients close idle connections themselves. Terraform does not retry a call that fails because the server has
    # closed the connection.
    config.keep_alive_timeout = IDLE_TIMEOUT
    config.loglevel = os.environ["LOG_LEVEL"]

    async def serve_until_signal():
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)

        if options.instances:
            instances.spawn(metrics.publish_all())
            instances.spawn(alarms.evaluate_all())

        async def stop():
            await stopping.wait()
            await instances.power_off_all()  # while the AWS API still responds
            elasticache_redis.stop_all()

        await serve(dispatch, config, shutdown_trigger=stop)

    asyncio.run(serve_until_signal())


if __name__ == "__main__":
    main()
