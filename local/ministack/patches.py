"""What MiniStack lacks or answers differently from AWS, one function for each service.

Every correction names the API call and says what AWS does and what the emulator did. They use the emulator's
own tables of actions and its own stores, so whatever it learns to do by itself can be deleted here.
"""

import json
import re
import uuid
from collections import OrderedDict

from hypercorn.asyncio.tcp_server import TCPServer
from ministack import app
from ministack.core.iam_evaluator import pin_request_origin
from ministack.core.responses import AccountScopedDict, set_request_region
from ministack.services import alb, autoscaling, cloudfront, cloudwatch, cloudwatch_logs, ec2, ecr, elasticache

from query_protocol import Api


def apply():
    connections()
    viewer_requests()
    load_balancers()
    cloudfront_origin_access_identities()
    cloudfront_response_headers_policies()
    launch_templates()
    auto_scaling_groups()
    images()
    security_group_rules()
    vpc_endpoints()
    flow_logs()
    caches()
    log_deliveries()
    alarms()


def connections():
    async def read(connection):
        # The server kept a connection that its client had closed until the idle time was over.
        await emulated_read(connection)
        await connection.idle_task.stop()

    async def dispatch(method, path, headers, body, query, request):
        # A client repeats a call whose answer got lost, by the same id. The emulator did it again, and so answered
        # that it "already exists", about once in ten thousand calls.
        call = headers.get("amz-sdk-invocation-id")
        if call in answered:
            return answered[call]
        answer = await emulated_dispatch(method, path, headers, body, query, request)
        if call and method != "GET" and answer[0] < 300 and isinstance(answer[2], bytes):
            answered[call] = answer
            if len(answered) > 1000:
                answered.popitem(last=False)
        return answer

    answered = OrderedDict()
    emulated_read = replace(TCPServer, "_read_data", read)
    emulated_dispatch = replace(app, "_dispatch_service_request", dispatch)


def viewer_requests():
    # The path /health belongs to the application behind a distribution or a load balancer; the emulator answered it.
    app._HEALTH_PATHS = ("/_ministack/health",)

    async def view(distribution, method, path, uri, query_string, headers, body, query, address="127.0.0.1"):
        # CloudFront reads S3 by the viewer's protocol; to the bucket's policy the emulator always said plain HTTP.
        pin_request_origin(address, headers.get("x-forwarded-proto") == "https")
        return await emulated_view(distribution, method, path, uri, query_string, headers, body, query, address)

    def origin(address, encrypted):
        # Calls to AWS come over TLS; to the policies (aws:SecureTransport) ours came over plain HTTP.
        pin_request_origin(address, True)

    emulated_view = replace(cloudfront, "handle_viewer_request", view)
    replace(app, "pin_request_origin", origin)


def load_balancers():
    def delete(request):
        # DeleteLoadBalancer refuses when deletion protection is on; the emulator deleted.
        arn = alb._p(request, "LoadBalancerArn")
        if alb._lb_attr(arn, "deletion_protection.enabled", "false") == "true":
            return alb._error("OperationNotPermitted", f"Load balancer '{arn}' cannot be deleted because deletion "
                                                       "protection is enabled")
        return emulated_delete(request)

    def find(host):
        # A load balancer answers at its own name, which holds its region; the emulator looked in its default region.
        region = re.search(r"\.([a-z0-9-]+)\.elb\.amazonaws\.com", host)
        if region:
            set_request_region(region[1])
        return emulated_find(host)

    emulated_delete = replace(alb._ACTION_MAP, "DeleteLoadBalancer", delete)
    emulated_find = replace(alb, "find_lb_for_host", find)


def cloudfront_origin_access_identities():
    """CloudFront {Create,Get,Update,Delete,List}CloudFrontOriginAccessIdentit{y,yConfig,ies}: the emulator always
    listed none and had no other of the calls, though it lets a distribution read its bucket by one."""
    api = Api("cloudfront")
    paths = re.compile(r"/2020-05-31/origin-access-identity/cloudfront(?:/([^/]+))?(/config)?/?")
    identities = AccountScopedDict()

    def answer(shape, value, status=200, etag=""):
        content = f'<{shape} xmlns="{cloudfront.NS}">{api.xml(shape, value)}</{shape}>'
        return status, {"Content-Type": "text/xml", "ETag": etag}, content.encode()

    def answer_identity(identity, status=200):
        return answer("CloudFrontOriginAccessIdentity", identity, status, identity["ETag"])

    def answer_list():
        items = [{**identity, **identity[config_shape]} for identity in identities.values()]
        return answer("CloudFrontOriginAccessIdentityList",
                      {"Marker": "", "MaxItems": 100, "IsTruncated": False, "Quantity": len(items), "Items": items})

    def create(config):
        for identity in identities.values():
            if identity[config_shape]["CallerReference"] == config["CallerReference"]:
                return answer_identity(identity, 201)
        key = cloudfront._dist_id()
        identities[key] = {"Id": key, "S3CanonicalUserId": uuid.uuid4().hex * 2, "ETag": cloudfront._dist_id(),
                           config_shape: config}
        return answer_identity(identities[key], 201)

    def delete(key):
        if any(f"/{key}<" in distribution["config_xml"] for distribution in cloudfront._distributions.values()):
            return cloudfront._error("CloudFrontOriginAccessIdentityInUse", "A distribution uses the identity.", 409)
        del identities[key]
        return 204, {}, b""

    async def handle(method, path, headers, body, query):
        match = paths.fullmatch(path)
        if not match:
            return await emulated(method, path, headers, body, query)
        key, of_config = match.groups()
        if method in ("POST", "PUT"):
            sent = cloudfront._parse_body(body)
            config = {name: cloudfront._text(sent, name) for name in ("CallerReference", "Comment")}
        if key is None:
            return create(config) if method == "POST" else answer_list()
        identity = identities.get(key)
        if identity is None:
            return cloudfront._error("NoSuchCloudFrontOriginAccessIdentity", "The identity does not exist.", 404)
        if method == "GET" and of_config:
            return answer(config_shape, identity[config_shape], etag=identity["ETag"])
        if method == "GET":
            return answer_identity(identity)
        if headers.get("if-match") != identity["ETag"]:
            return cloudfront._error("PreconditionFailed", "If-Match is not the identity's ETag.", 412)
        if method == "DELETE":
            return delete(key)
        identity.update({config_shape: config, "ETag": cloudfront._dist_id()})
        return answer_identity(identity)

    config_shape = "CloudFrontOriginAccessIdentityConfig"
    emulated = replace(cloudfront, "handle_request", handle)


def cloudfront_response_headers_policies():
    """CloudFront GetResponseHeadersPolicy answers a list of headers only if the policy was given one; the emulator
    answered empty lists, which read as a change."""
    def build(parent, config):
        emulated(parent, config)
        for name in ("CustomHeaders", "RemoveHeaders"):
            if not config[name]:
                parent.remove(parent.find(f"{name}Config"))

    emulated = replace(cloudfront, "_build_rhp_config_xml", build)
    cloudfront._RHP_SPEC["build_config"] = build


def launch_templates():
    """EC2 CreateLaunchTemplate[Version] keeps the whole of LaunchTemplateData; the emulator kept a part of it."""
    api = Api("ec2")
    ec2._parse_lt_data = lambda request, prefix="LaunchTemplateData": api.structure(
        "RequestLaunchTemplateData", request, prefix)
    ec2._lt_data_xml = lambda data: api.xml("ResponseLaunchTemplateData", data)


def auto_scaling_groups():
    """Auto Scaling keeps and describes all that a group was told; the emulator kept its sizes and one template."""
    api = Api("autoscaling")
    actions = autoscaling._ACTION_MAP
    kept = ("CapacityRebalance", "DefaultInstanceWarmup", "MaxInstanceLifetime", "MixedInstancesPolicy",
            "InstanceMaintenancePolicy", "TargetGroupARNs")

    def remember(group, told):
        group.setdefault("Told", {}).update({name: told[name] for name in kept if name in told})
        mixed = told.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
        for template in (told.get("LaunchTemplate"), mixed):
            for known in ec2._launch_templates.values() if template else ():
                if template.get("LaunchTemplateId") == known["LaunchTemplateId"]:
                    template["LaunchTemplateName"] = known["LaunchTemplateName"]
        if "LaunchTemplate" in told:
            group["LaunchTemplate"] = told["LaunchTemplate"]
        register(group)

    def register(group):
        # A group registers its instances with its target groups; the emulator did not.
        instances = [instance["InstanceId"] for instance in group["Instances"]]
        for arn in group.get("Told", {}).get("TargetGroupARNs", []):
            port = alb._tgs.get(arn, {}).get("Port")
            alb.set_targets_for_group(arn, [(instance, port) for instance in instances], group.get("Registered", []))
        group["Registered"] = instances

    def reconcile(group):
        emulated_reconcile(group)
        register(group)

    def create(request):
        # CreateAutoScalingGroup spreads the instances over the zones of the subnets; the emulator used one zone.
        told = api.request("CreateAutoScalingGroup", request)
        subnets = [ec2._subnets[subnet] for subnet in told.get("VPCZoneIdentifier", "").split(",") if subnet in ec2._subnets]
        zones = sorted({subnet["AvailabilityZone"] for subnet in subnets})
        answer = emulated_create({**request, **{f"AvailabilityZones.member.{n}": zone for n, zone in enumerate(zones, 1)}})
        if answer[0] == 200:
            remember(autoscaling._asgs[told["AutoScalingGroupName"]], told)
        return answer

    def update(request):
        answer = emulated_update(request)
        if answer[0] == 200:
            told = api.request("UpdateAutoScalingGroup", request)
            remember(autoscaling._asgs[told["AutoScalingGroupName"]], told)
        return answer

    def describe(request):
        status, headers, body = emulated_describe(request)
        for name, group in autoscaling._asgs.items():
            metrics = [{"Metric": metric, "Granularity": "1Minute"} for metric in group.get("Metrics", [])]
            members = api.xml("AutoScalingGroup", {**group.get("Told", {}), "EnabledMetrics": metrics})
            body = beside(body, f"<AutoScalingGroupName>{name}</AutoScalingGroupName><AutoScalingGroupARN>", members)
        return status, headers, body

    def metrics(operation, combine):
        # {Enable,Disable}MetricsCollection are missing. No list of metrics means all of them.
        def handle(request):
            told = api.request(operation, request)
            group = autoscaling._asgs[told["AutoScalingGroupName"]]
            group["Metrics"] = sorted(combine(set(group.get("Metrics", [])), set(told.get("Metrics") or all_metrics)))
            return autoscaling._xml(200, f"{operation}Response", "")
        actions[operation] = handle

    def refresh(request):
        # StartInstanceRefresh replaces the instances by ones of the group's launch template; the emulator kept them.
        answer = emulated_refresh(request)
        if answer[0] == 200:
            group = autoscaling._asgs[request["AutoScalingGroupName"]]
            group["Instances"].clear()
            reconcile(group)
        return answer

    all_metrics = [f"Group{name}" for name in ("MinSize", "MaxSize", "DesiredCapacity", "InServiceInstances", "PendingInstances",
                                               "StandbyInstances", "TerminatingInstances", "TotalInstances")]
    metrics("EnableMetricsCollection", set.union)
    metrics("DisableMetricsCollection", set.difference)
    emulated_reconcile = replace(autoscaling, "_reconcile_instances", reconcile)
    emulated_create = replace(actions, "CreateAutoScalingGroup", create)
    emulated_update = replace(actions, "UpdateAutoScalingGroup", update)
    emulated_describe = replace(actions, "DescribeAutoScalingGroups", describe)
    emulated_refresh = replace(actions, "StartInstanceRefresh", refresh)


def images():
    def describe(request):
        # DescribeImages refuses where one of the images is not there; the emulator left it out of its answer.
        repository = request.get("repositoryName")
        for image in request.get("imageIds") or []:
            if repository in ecr._repositories and not ecr._find_image(repository, image):
                return ecr.error_response_json("ImageNotFoundException", f"The image with imageId {image} does not exist within "
                                               f"the repository with name '{repository}'", 400)
        return emulated_describe(request)

    emulated_describe = replace(ecr, "_describe_images", describe)


def security_group_rules():
    """EC2 RevokeSecurityGroupEgress (and every other call with rules) ignores the ports of protocol -1; the emulator
    compared them, so the rule that lets everything out survived its removal from a new group."""
    def parse(request, prefix):
        rules = emulated(request, prefix)
        for rule in rules:
            if rule["IpProtocol"] == "-1":
                rule.pop("FromPort", None)
                rule.pop("ToPort", None)
        return rules

    emulated = replace(ec2, "_parse_ip_permissions", parse)


def vpc_endpoints():
    """EC2 {Create,Modify}VpcEndpoint keep the security groups and the private DNS; the emulator forgot them."""
    api = Api("ec2")

    def create(request):
        before = set(ec2._vpc_endpoints)
        answer = emulated_create(request)
        told = api.request("CreateVpcEndpoint", request)
        for key in set(ec2._vpc_endpoints) - before:
            ec2._vpc_endpoints[key].update(PrivateDnsEnabled=told.get("PrivateDnsEnabled", False),
                                           SecurityGroupIds=told.get("SecurityGroupIds", []))
        return answer

    def modify(request):
        told = api.request("ModifyVpcEndpoint", request)
        endpoint = ec2._vpc_endpoints.get(told["VpcEndpointId"])
        if endpoint:
            groups = set(endpoint["SecurityGroupIds"]) | set(told.get("AddSecurityGroupIds", []))
            endpoint["SecurityGroupIds"] = sorted(groups - set(told.get("RemoveSecurityGroupIds", [])))
            endpoint["PrivateDnsEnabled"] = told.get("PrivateDnsEnabled", endpoint["PrivateDnsEnabled"])
        return emulated_modify(request)

    def fields(endpoint, tag="item"):
        groups = [{"GroupId": group} for group in endpoint.get("SecurityGroupIds", [])]
        members = {"PrivateDnsEnabled": endpoint.get("PrivateDnsEnabled", False), "Groups": groups}
        return emulated_fields(endpoint, tag).removesuffix(f"</{tag}>") + api.xml("VpcEndpoint", members) + f"</{tag}>"

    emulated_create = replace(ec2._ACTION_MAP, "CreateVpcEndpoint", create)
    emulated_modify = replace(ec2._ACTION_MAP, "ModifyVpcEndpoint", modify)
    emulated_fields = replace(ec2, "_vpce_fields_xml", fields)


def flow_logs():
    """EC2 CreateFlowLogs keeps the role, the interval, the format and the tags (resource type vpc-flow-log); the
    emulator forgot them."""
    api = Api("ec2")

    def create(request):
        before = set(ec2._flow_logs)
        answer = emulated_create(request)
        told = api.request("CreateFlowLogs", request)
        for key in set(ec2._flow_logs) - before:
            ec2._flow_logs[key]["Told"] = {
                "DeliverLogsPermissionArn": told.get("DeliverLogsPermissionArn"),
                "MaxAggregationInterval": told.get("MaxAggregationInterval", 600),
                "LogGroupName": told.get("LogGroupName") or told.get("LogDestination", "").split(":log-group:")[-1],
                "LogFormat": told.get("LogFormat", default_format),
            }
            ec2._parse_tag_specs(request, "vpc-flow-log", key)
        return answer

    def describe(request):
        status, headers, body = emulated_describe(request)
        for key, flow_log in ec2._flow_logs.items():
            body = beside(body, f"<flowLogId>{key}</flowLogId>", api.xml("FlowLog", flow_log.get("Told", {})))
        return status, headers, body

    default_format = ("${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} "
                      "${packets} ${bytes} ${start} ${end} ${action} ${log-status}")
    emulated_create = replace(ec2._ACTION_MAP, "CreateFlowLogs", create)
    emulated_describe = replace(ec2._ACTION_MAP, "DescribeFlowLogs", describe)


def caches():
    def parameters(request):
        # DescribeCacheParameters answers those of the source that was asked for; the emulator answered all.
        source = "".join(request.get("Source", ""))
        status, headers, body = emulated_parameters(request)
        if status == 200 and source:
            body = re.sub(rb"<Parameter>.*?</Parameter>",
                          lambda found: found[0] if f"<Source>{source}<".encode() in found[0] else b"", body, flags=re.S)
        return status, headers, body

    def cluster(record):
        # DescribeCacheClusters answers AutoMinorVersionUpgrade; the emulator left it out.
        upgrade = str(record.get("AutoMinorVersionUpgrade", True)).lower()
        return emulated_cluster(record) + f"<AutoMinorVersionUpgrade>{upgrade}</AutoMinorVersionUpgrade>"

    def modify(request):
        # ModifyReplicationGroup moves the maintenance window of its clusters; the emulator left it.
        answer = emulated_modify(request)
        window = "".join(request.get("PreferredMaintenanceWindow", ""))
        if answer[0] == 200 and window:
            for name in elasticache._replication_groups["".join(request["ReplicationGroupId"])]["MemberClusters"]:
                elasticache._clusters[name]["PreferredMaintenanceWindow"] = window
        return answer

    emulated_parameters = replace(elasticache, "_describe_cache_parameters", parameters)
    emulated_cluster = replace(elasticache, "_cluster_xml_inner", cluster)
    emulated_modify = replace(elasticache, "_modify_replication_group", modify)


def log_deliveries():
    """CloudWatch Logs GetDeliveryDestination answers an output format only if one was given; the emulator said json."""
    def put(request):
        answer = emulated_put(request)
        if answer[0] == 200 and "outputFormat" not in request:
            cloudwatch_logs._delivery_destinations[request["name"]]["outputFormat"] = None
        return answer

    def describe(destination):
        return {name: value for name, value in emulated_describe(destination).items() if value is not None}

    emulated_put = replace(cloudwatch_logs, "_put_delivery_destination", put)
    emulated_describe = replace(cloudwatch_logs, "_format_delivery_destination", describe)


def alarms():
    """CloudWatch PutMetricAlarm keeps all that it was told, and DescribeAlarms answers it. The emulator kept a part
    (no metric queries), and answered less of it by the query protocol, which Terraform speaks, than by JSON."""
    api = Api("cloudwatch")

    def put(parameters, data, is_cbor, is_json=False):
        answer = emulated_put(parameters, data, is_cbor, is_json)
        if answer[0] == 200:
            told = data if is_cbor or is_json else api.request("PutMetricAlarm", parameters)
            alarm = cloudwatch._alarms[told["AlarmName"]]
            alarm.update({name: value for name, value in told.items() if name != "Tags"})
            if "Metrics" in told or "ExtendedStatistic" in told:
                alarm["Statistic"] = None
            if "Metrics" in told:
                alarm["Period"] = None
        return answer

    def describe(parameters, data, is_cbor, is_json=False):
        if is_cbor or is_json:
            return emulated_describe(parameters, data, is_cbor, is_json)
        status, headers, body = emulated_describe({}, api.request("DescribeAlarms", parameters), False, True)
        if status != 200:
            return emulated_describe(parameters, data, False)
        members = api.xml("DescribeAlarmsOutput", json.loads(body))
        return cloudwatch._xml(200, "DescribeAlarmsResponse", f"<DescribeAlarmsResult>{members}</DescribeAlarmsResult>")

    emulated_put = replace(cloudwatch, "_put_metric_alarm", put)
    emulated_describe = replace(cloudwatch, "_describe_alarms", describe)


def replace(owner, name, function):
    """Put our function in the place of one of the emulator's (in a module or a table of actions), which it returns."""
    if isinstance(owner, dict):
        replaced, owner[name] = owner[name], function
    else:
        replaced = getattr(owner, name)
        setattr(owner, name, function)
    return replaced


def beside(body, text, addition):
    """An XML answer with elements added beside a known one."""
    return body.replace(text.encode(), (addition + text).encode())
