"""The operation and the members of an API request, read with botocore's service models.

Botocore itself reads responses only. Why no other library does it: docs/decisions/dependencies.md.
"""

import json
import re
from functools import cache
from urllib.parse import parse_qs, unquote

from botocore.parsers import RestXMLParser

from query_protocol import Api, service_model

# Botocore's names of services that MiniStack names otherwise.
BOTOCORE_NAMES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "tagging": "resourcegroupstaggingapi",
}
ACCOUNT_OF_S3_CONTROL = "x-amz-account-id"  # a header; S3 Control is a service of its own, with the paths of S3

xml_parser = RestXMLParser()


def read(service, method, path, headers, body, query):
    """Return the operation model and the members of the input structure of a request.

    service is MiniStack's name. headers has names in lower case. query has a list of values for each name. Returns
    (None, {}) if the model does not have the operation. Raises ValueError if the request cannot be read.
    """
    name = BOTOCORE_NAMES.get(service, service)
    model = service_model(name)
    if model.metadata["protocol"] == "rest-xml":
        return read_rest(name, method, path, headers, body, query)
    content_type = headers.get("content-type", "")
    if target := headers.get("x-amz-target"):
        operation, members = target.rpartition(".")[2], json.loads(body or b"{}")
    else:
        parameters = {key: values[0] for key, values in query.items()}
        if content_type.startswith("application/x-www-form-urlencoded"):
            form = parse_qs(body.decode(), keep_blank_values=True)
            parameters |= {key: values[0] for key, values in form.items()}
        operation = parameters.get("Action")
        if operation not in operations(name):
            return None, {}
        try:
            members = api(name).request(operation, parameters)
        except (AttributeError, KeyError, TypeError) as error:  # names that contradict each other, A=1 and A.B=2
            raise ValueError(f"the parameters of {operation} are malformed") from error
    if operation not in operations(name) or not isinstance(members, dict):
        return None, {}
    return model.operation_model(operation), members


@cache
def operations(service):
    return frozenset(service_model(service).operation_names)


@cache
def api(service):
    return Api(service)


class Route:
    """The URI of an operation of a REST service."""

    def __init__(self, operation):
        self.operation = operation
        uri = operation.http["requestUri"]
        path, _, query = uri.partition("?")
        pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.escape(path))
        self.pattern = re.compile(pattern.rstrip("/") + "/?")
        self.method = operation.http["method"]
        # Names in the query string that tell operations with one path apart, with the value or "".
        self.flags = dict(part.partition("=")[::2] for part in query.split("&") if part)
        shape = operation.input_shape
        self.located = {}  # the members by location: uri, header, querystring or headers
        for name, member in shape.members.items() if shape else ():
            if location := member.serialization.get("location"):
                self.located.setdefault(location, {})[name] = member
        required = shape.required_members if shape else ()
        self.required = {
            location: [member.serialization["name"] for name, member in members.items() if name in required]
            for location, members in self.located.items()
        }
        self.rank = len(self.flags) + sum(len(self.required.get(each, ())) for each in ("header", "querystring"))

    def match(self, method, path, headers, query):
        """Return the values of the path, or None if the request is of another operation."""
        if method != self.method:
            return None
        if any(name not in query or (value and query[name][0] != value) for name, value in self.flags.items()):
            return None
        if any(name not in query for name in self.required.get("querystring", ())):
            return None
        if any(name.lower() not in headers for name in self.required.get("header", ())):
            return None
        match = self.pattern.fullmatch(path)
        return match and {name: unquote(value) for name, value in match.groupdict().items()}


@cache
def routes(service):
    """Return the routes of a REST service. The first that matches a request is its operation. Deprecated operations of
    S3 have the routes of their successors."""
    model = service_model(service)
    all_operations = [model.operation_model(name) for name in model.operation_names]
    all_routes = [Route(operation) for operation in all_operations if not operation.deprecated]
    return sorted(all_routes, key=lambda route: (-route.rank, len(route.pattern.groupindex)))


def read_rest(service, method, path, headers, body, query):
    if ACCOUNT_OF_S3_CONTROL in headers:
        return None, {}
    for route in routes(service):
        values = route.match(method, path, headers, query)
        if values is not None:
            return route.operation, read_members(route, values, headers, body, query)
    return None, {}


def read_members(route, values, headers, body, query):
    shape = route.operation.input_shape
    members = {}
    if shape is None:
        return members
    for name, member in route.located.get("uri", {}).items():
        members[name] = values.get(member.serialization["name"])
    for name, member in route.located.get("header", {}).items():
        if (value := headers.get(member.serialization["name"].lower())) is not None:
            members[name] = scalar(member, value)
    for name, member in route.located.get("querystring", {}).items():
        if (value := query.get(member.serialization.get("name"))) is not None:
            members[name] = scalar(member, value[0])
    payload = shape.serialization.get("payload")
    if not payload:
        if body and any("location" not in member.serialization for member in shape.members.values()):
            members |= read_xml(shape, body)
    elif shape.members[payload].type_name == "structure":
        if body:
            members[payload] = read_xml(shape.members[payload], body)
    elif body:
        members[payload] = body
    return members


def read_xml(shape, body):
    try:
        members = xml_parser._parse_shape(shape, xml_parser._parse_xml_string_to_dom(body))
    except Exception as error:  # botocore's ResponseParserError and others
        raise ValueError(str(error)) from error
    return members


def scalar(shape, value):
    if shape.type_name in ("integer", "long"):
        return int(value)
    return value
