"""Patches for ElastiCache. Without each of them, Terraform's second plan would show a change."""

import re
from xml.sax.saxutils import escape

from ministack.services import elasticache

from patching import replace


def apply():
    parameters()
    minor_version_upgrades()
    clusters()
    authentication()
    engines()
    snapshots()


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


def clusters():
    """ModifyReplicationGroup: AWS changes the maintenance window and the node type of the group's clusters; MiniStack
    does not."""

    def modify(request):
        response = original_modify(request)
        if response[0] == 200:
            group = elasticache._replication_groups["".join(request["ReplicationGroupId"])]
            for property in ("PreferredMaintenanceWindow", "CacheNodeType"):
                if value := "".join(request.get(property, "")):
                    for name in group["MemberClusters"]:
                        elasticache._clusters[name][property] = value
        return response

    original_modify = replace(elasticache, "_modify_replication_group", modify)


def authentication():
    """CreateUser and ModifyUser: AWS takes AuthenticationMode, with one or two passwords; MiniStack ignores it, and
    counts one password at most. Its XML has an access string's & as it is.

    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html
    """

    def authenticate(original):
        def call(request):
            passwords = [key for key in request if re.fullmatch(r"(AuthenticationMode\.)?Passwords\.member\.\d+", key)]
            if len(passwords) > 2:
                return elasticache._error("InvalidParameterValue", "A user can have at most two passwords.", 400)
            response = original(request)
            mode = "".join(request.get("AuthenticationMode.Type", ""))
            if response[0] == 200 and (passwords or mode):
                user = elasticache._users["".join(request["UserId"])]
                kind = "password" if passwords else mode.replace("no-password-required", "no-password")
                user["Authentication"] = {"Type": kind, "PasswordCount": len(passwords)}
                response = response_of(user, request)
            return response

        return call

    def response_of(user, request):
        action = "".join(request["Action"])
        result = f"<{action}Result>{elasticache._user_xml(user)}</{action}Result>"
        return elasticache._xml(200, f"{action}Response", result)

    def user_xml(user):
        return original_user_xml({**user, "AccessString": escape(user["AccessString"])})

    original_user_xml = replace(elasticache, "_user_xml", user_xml)
    for name in ("_create_user", "_modify_user"):
        replace(elasticache, name, authenticate(getattr(elasticache, name)))


def engines():
    """ModifyReplicationGroup: AWS changes the engine of the group's clusters, and their default parameters; MiniStack
    changes the version of the group only, and no engine. AWS refuses Valkey to Redis OSS."""

    def modify(request):
        group = elasticache._replication_groups.get("".join(request["ReplicationGroupId"]), {})
        engine, version = "".join(request.get("Engine", "")), "".join(request.get("EngineVersion", ""))
        if (group.get("Engine"), engine) == ("valkey", "redis"):
            return elasticache._error("InvalidParameterCombination", "Cannot modify from engine valkey to redis", 400)
        response = original_modify(request)
        if response[0] == 200 and (engine or version):
            for record in (group, *(elasticache._clusters[name] for name in group["MemberClusters"])):
                record["Engine"] = engine or record["Engine"]
                record["EngineVersion"] = version or record["EngineVersion"]
                parameters = record.get("CacheParameterGroup", record)
                parameters["CacheParameterGroupName"] = elasticache._default_param_group_for_engine(
                    record["Engine"], record["EngineVersion"]
                )
        return response

    original_modify = replace(elasticache, "_modify_replication_group", modify)


def snapshots():
    """CreateReplicationGroup and DeleteReplicationGroup: AWS creates the group from a snapshot that exists, and takes a
    last snapshot under a new name before it deletes the group; MiniStack ignores both. The snapshots have no data."""

    def create(request):
        name = "".join(request.get("SnapshotName", ""))
        if name and name not in elasticache._snapshots:
            return elasticache._error("SnapshotNotFoundFault", f"Snapshot {name} not found", 404)
        return original_create(request)

    def delete(request):
        name = "".join(request.get("FinalSnapshotIdentifier", ""))
        if name:
            group = request["ReplicationGroupId"]
            response = elasticache._create_snapshot({"SnapshotName": [name], "ReplicationGroupId": group})
            if response[0] != 200:
                return response
        return original_delete(request)

    original_create = replace(elasticache, "_create_replication_group", create)
    original_delete = replace(elasticache, "_delete_replication_group", delete)
