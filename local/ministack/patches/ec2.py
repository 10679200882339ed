"""Patches for EC2."""

from ministack.services import ec2

from patching import insert_before, replace
from query_protocol import Api

DEFAULT_LOG_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} "
    "${packets} ${bytes} ${start} ${end} ${action} ${log-status}"
)

api = Api("ec2")


def apply():
    launch_templates()
    instance_types()
    security_group_rules()
    prefix_lists_of_rules()
    vpc_endpoints()
    flow_logs()


def launch_templates():
    """CreateLaunchTemplate and CreateLaunchTemplateVersion: AWS stores all of LaunchTemplateData; MiniStack stores a
    part of it. Terraform's second plan would show the rest as a change."""
    ec2._parse_lt_data = lambda request, prefix="LaunchTemplateData": api.structure(
        "RequestLaunchTemplateData", request, prefix
    )
    ec2._lt_data_xml = lambda data: api.xml("ResponseLaunchTemplateData", data)


def instance_types():
    """DescribeInstanceTypes: t3a types are burstable; MiniStack denies it. Terraform would not send their credit
    specification."""

    def describe(request):
        status, headers, body = original_describe(request)
        types = body.split(b"<instanceType>")
        for i, each in enumerate(types):
            if each.startswith(b"t3a."):
                types[i] = each.replace(b"<burstablePerformanceSupported>false", b"<burstablePerformanceSupported>true")
        return status, headers, b"<instanceType>".join(types)

    original_describe = replace(ec2._ACTION_MAP, "DescribeInstanceTypes", describe)


def security_group_rules():
    """RevokeSecurityGroupEgress, and every other call with rules: AWS ignores the ports of protocol -1; MiniStack
    compares them. Terraform removes the default egress rule from each new security group, and the rule would remain."""

    def parse(request, prefix):
        rules = original_parse(request, prefix)
        for rule in rules:
            if rule["IpProtocol"] == "-1":
                rule.pop("FromPort", None)
                rule.pop("ToPort", None)
        return rules

    original_parse = replace(ec2, "_parse_ip_permissions", parse)


def prefix_lists_of_rules():
    """Every call with security group rules: AWS stores the prefix list of a rule, and returns it; MiniStack ignores it.
    Terraform's provider fails in the second plan."""

    def parse(parameters, prefix):
        rules = original_parse(parameters, prefix)
        for i, rule in enumerate(rules, 1):
            requested = {
                name: "".join(parameters.get(f"{prefix}.{i}.PrefixListIds.1.{name}", ""))
                for name in ("PrefixListId", "Description")
            }
            if requested["PrefixListId"]:
                rule["PrefixListIds"] = [requested]
        return rules

    def rule_xml(group, rule, is_egress=False):
        xml = original_rule_xml(group, rule, is_egress)
        ids = [each["PrefixListId"] for each in rule.get("PrefixListIds", [])]
        return xml.replace("</toPort>", "</toPort>" + "".join(f"<prefixListId>{each}</prefixListId>" for each in ids))

    original_parse = replace(ec2, "_parse_ip_permissions", parse)
    original_rule_xml = replace(ec2, "_sg_rule_xml", rule_xml)


def vpc_endpoints():
    """CreateVpcEndpoint, ModifyVpcEndpoint and DescribeVpcEndpoints: MiniStack does not store the security groups and
    PrivateDnsEnabled. Terraform's second plan would show them as a change."""

    def create(request):
        existing = set(ec2._vpc_endpoints)
        response = original_create(request)
        requested = api.request("CreateVpcEndpoint", request)
        for key in set(ec2._vpc_endpoints) - existing:
            ec2._vpc_endpoints[key].update(
                PrivateDnsEnabled=requested.get("PrivateDnsEnabled", False),
                SecurityGroupIds=requested.get("SecurityGroupIds", []),
            )
        return response

    def modify(request):
        requested = api.request("ModifyVpcEndpoint", request)
        endpoint = ec2._vpc_endpoints.get(requested["VpcEndpointId"])
        if endpoint:
            groups = set(endpoint["SecurityGroupIds"]) | set(requested.get("AddSecurityGroupIds", []))
            endpoint["SecurityGroupIds"] = sorted(groups - set(requested.get("RemoveSecurityGroupIds", [])))
            endpoint["PrivateDnsEnabled"] = requested.get("PrivateDnsEnabled", endpoint["PrivateDnsEnabled"])
        return original_modify(request)

    def fields(endpoint, tag="item"):
        groups = [{"GroupId": group} for group in endpoint.get("SecurityGroupIds", [])]
        members = {"PrivateDnsEnabled": endpoint.get("PrivateDnsEnabled", False), "Groups": groups}
        return original_fields(endpoint, tag).removesuffix(f"</{tag}>") + api.xml("VpcEndpoint", members) + f"</{tag}>"

    original_create = replace(ec2._ACTION_MAP, "CreateVpcEndpoint", create)
    original_modify = replace(ec2._ACTION_MAP, "ModifyVpcEndpoint", modify)
    original_fields = replace(ec2, "_vpce_fields_xml", fields)


def flow_logs():
    """CreateFlowLogs and DescribeFlowLogs: MiniStack does not store the role, the aggregation interval, the log group,
    the format and the tags (resource type vpc-flow-log). Terraform's second plan would show them as a change."""

    def create(request):
        existing = set(ec2._flow_logs)
        response = original_create(request)
        requested = api.request("CreateFlowLogs", request)
        destination = requested.get("LogDestination", "")
        for key in set(ec2._flow_logs) - existing:
            ec2._flow_logs[key]["Requested"] = {
                "DeliverLogsPermissionArn": requested.get("DeliverLogsPermissionArn"),
                "MaxAggregationInterval": requested.get("MaxAggregationInterval", 600),
                "LogGroupName": requested.get("LogGroupName") or destination.split(":log-group:")[-1],
                "LogFormat": requested.get("LogFormat", DEFAULT_LOG_FORMAT),
            }
            ec2._parse_tag_specs(request, "vpc-flow-log", key)
        return response

    def describe(request):
        status, headers, body = original_describe(request)
        for key, flow_log in ec2._flow_logs.items():
            fields = api.xml("FlowLog", flow_log.get("Requested", {}))
            body = insert_before(body, f"<flowLogId>{key}</flowLogId>", fields)
        return status, headers, body

    original_create = replace(ec2._ACTION_MAP, "CreateFlowLogs", create)
    original_describe = replace(ec2._ACTION_MAP, "DescribeFlowLogs", describe)
