"""Patches for API calls that MiniStack lacks, or that it answers differently from AWS.

There is one module for each AWS service, and server.py for the HTTP server. Each patch names the API call, the
difference and the reason for the patch. The patches use MiniStack's own action tables and stores. own_services.py adds
services that MiniStack lacks. Delete a patch once a release of MiniStack makes it unnecessary.
"""

from patches import (
    acm,
    autoscaling,
    backup,
    cloudfront,
    cloudwatch,
    costexplorer,
    ec2,
    ecr,
    elasticache,
    elbv2,
    eventbridge,
    guardduty,
    logs_insights,
    secretsmanager,
    server,
    shield,
    wafv2,
    xray,
)


def apply(instances_boot):
    """Apply every patch. MiniStack must not serve requests yet."""
    for service in (
        server,
        elbv2,
        cloudfront,
        acm,
        ec2,
        ecr,
        elasticache,
        cloudwatch,
        logs_insights,
        eventbridge,
        guardduty,
        costexplorer,
        secretsmanager,
        xray,
        backup,
        shield,
        wafv2,
    ):
        service.apply()
    autoscaling.apply(instances_boot)
