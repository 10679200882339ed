"""Patches for AWS WAF."""

import json

from ministack.core.responses import AccountRegionScopedDict, json_response
from ministack.services import cloudfront, waf

from patching import replace

logging = AccountRegionScopedDict()  # ARN of a web ACL -> logging configuration


def apply():
    data_protection()
    logging_configurations()
    associations()


def data_protection():
    """CreateWebACL and UpdateWebACL: MiniStack does not store DataProtectionConfig. Terraform's second plan would show
    it as a change."""

    def store(acl, request):
        if "DataProtectionConfig" in request:
            acl["DataProtectionConfig"] = request["DataProtectionConfig"]

    def create(name, scope, request):
        created = original_create(name, scope, request)
        store(created[2], request)
        return created

    def update(request):
        response = original_update(request)
        if response[0] == 200:
            store(waf.web_acl_record(request["Id"], request["Scope"]), request)
        return response

    original_create = replace(waf, "create_web_acl_record", create)
    original_update = replace(waf, "_update_web_acl", update)


def logging_configurations():
    """{Put,Get,Delete}LoggingConfiguration: MiniStack lacks them. AWS deletes the configuration with its web ACL."""

    def put(request):
        configuration = request["LoggingConfiguration"]
        _, error = waf._resolve_local_web_acl(configuration["ResourceArn"])
        if error:
            return error
        if any(":log-group:aws-waf-logs-" not in arn for arn in configuration["LogDestinationConfigs"]):
            return waf._waf_err(
                "WAFInvalidParameterException", "The name of the log group has to begin with aws-waf-logs-"
            )
        logging[configuration["ResourceArn"]] = configuration
        return json_response({"LoggingConfiguration": configuration})

    def get(request):
        configuration = logging.get(request["ResourceArn"])
        if not configuration:
            return waf._waf_not_found(request["ResourceArn"])
        return json_response({"LoggingConfiguration": configuration})

    def delete(request):
        if not logging.pop(request["ResourceArn"], None):
            return waf._waf_not_found(request["ResourceArn"])
        return json_response({})

    async def handle(method, path, headers, body, query):
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation in operations:
            return operations[operation](json.loads(body))
        return await original_handle(method, path, headers, body, query)

    operations = {
        "PutLoggingConfiguration": put,
        "GetLoggingConfiguration": get,
        "DeleteLoggingConfiguration": delete,
    }
    original_handle = replace(waf, "handle_request", handle)
    original_state = replace(waf, "get_state", lambda: original_state() | {"logging": logging})


def associations():
    """DeleteWebACL: AWS refuses it while the web ACL protects a distribution or a load balancer; MiniStack does not."""

    def delete(request):
        acl = waf.web_acl_record(request["Id"], request["Scope"])
        if acl and is_associated(acl["ARN"]):
            return waf._waf_err(
                "WAFAssociatedItemException",
                "AWS WAF couldn’t perform the operation because your resource is being used by another resource or "
                "it’s associated with another resource.",
            )
        response = original_delete(request)
        if acl and response[0] == 200:
            logging.pop(acl["ARN"], None)
        return response

    original_delete = replace(waf, "_delete_web_acl", delete)


def is_associated(arn):
    distributions = [distribution["config_xml"] for distribution in cloudfront._distributions.values()]
    return arn in waf._associations.values() or any(f"<WebACLId>{arn}<" in str(config) for config in distributions)
