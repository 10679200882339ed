"""Patches for ElastiCache. Without each of them, Terraform's second plan would show a change."""

import re

from ministack.services import elasticache

from patching import replace


def apply():
    parameters()
    minor_version_upgrades()
    maintenance_windows()


def parameters():
    """DescribeCacheParameters: AWS returns the parameters of the requested Source; MiniStack returns all parameters."""

    def describe(request):
        source = "".join(request.get("Source", ""))
        status, headers, body = original_describe(request)
        if status == 200 and source:
            element = f"<Source>{source}<".encode()
            body = re.sub(
                rb"<Parameter>.*?</Parameter>",
                lambda parameter: parameter[0] if element in parameter[0] else b"",
                body,
                flags=re.S,
            )
        return status, headers, body

    original_describe = replace(elasticache, "_describe_cache_parameters", describe)


def minor_version_upgrades():
    """DescribeCacheClusters: AWS returns AutoMinorVersionUpgrade; MiniStack does not."""

    def cluster_xml(cluster):
        upgrade = str(cluster.get("AutoMinorVersionUpgrade", True)).lower()
        return original_cluster_xml(cluster) + f"<AutoMinorVersionUpgrade>{upgrade}</AutoMinorVersionUpgrade>"

    original_cluster_xml = replace(elasticache, "_cluster_xml_inner", cluster_xml)


def maintenance_windows():
    """ModifyReplicationGroup: AWS changes the maintenance window of the group's clusters; MiniStack does not."""

    def modify(request):
        response = original_modify(request)
        window = "".join(request.get("PreferredMaintenanceWindow", ""))
        if response[0] == 200 and window:
            group = elasticache._replication_groups["".join(request["ReplicationGroupId"])]
            for name in group["MemberClusters"]:
                elasticache._clusters[name]["PreferredMaintenanceWindow"] = window
        return response

    original_modify = replace(elasticache, "_modify_replication_group", modify)
