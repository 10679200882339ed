"""The constraints of AWS's API models: required members, enumerations, patterns, lengths and ranges.

AWS checks them before a service performs a request. MiniStack checks few of them. Here, every request is checked, and
refused with AWS's error, so that no value is refused by AWS first.

Not checked: types, the length of binary data, and rules that are only in the documentation of a service. S3 Control and
requests to the hosts of S3 buckets are not checked either. Deprecated operations of S3 are checked as their successors.

Sources of the errors:
- https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html (query: ValidationError)
- https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (EC2)
- https://github.com/getmoto/moto/issues/1695 (EC2: an instance type that does not exist)
- https://github.com/fog/fog/issues/3428 (CloudFront)
- https://github.com/hashicorp/terraform/issues/24250 (Route 53)
- https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (S3)
"""

import json
import re
import warnings
from functools import cache, partial
from uuid import uuid4
from xml.sax.saxutils import escape

from ministack import app

import api_requests
from query_protocol import element

# The error codes of services, by MiniStack's names. The others, and the operations of JSON services that do not declare
# the code, have ValidationException (JSON) or ValidationError.
CODES = {
    "backup": "InvalidParameterValueException",
    "cloudfront": "MalformedXML",
    "ecr": "InvalidParameterException",
    "logs": "InvalidParameterException",
    "route53": "InvalidInput",
    "tagging": "InvalidParameterException",
}

# S3's errors for values of its enumerations, by shape.
S3_CODES = {
    "backup": "InvalidParameterValueException",
    "BucketLocationConstraint": ("InvalidLocationConstraint", "The specified location-constraint is not valid"),
    "StorageClass": ("InvalidStorageClass", "The storage class you specified is not valid"),
}

# Classes and ranges of Java's patterns that Python lacks. \w also has _, as every set with \p{L} in the models has.
PYTHON_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    r"\p{ASCII}": r"[\x00-\x7f]",
    r"\p{Print}": r"[ -~]",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010ffff",  # Java's strings are UTF-16
    r"[\w-": r"[\w\-",
}


def apply():
    for service, handler in app.SERVICE_HANDLERS.items():
        app.SERVICE_HANDLERS[service] = partial(check_request, service, handler)


async def check_request(service, handler, method, path, headers, body, query):
    """Refuse a request that violates a constraint, or pass it to the service."""
    try:
        operation, members = api_requests.read(service, method, path, headers, body, query)
    except ValueError:  # not JSON, XML or a number: the service refuses it
        operation = None
    if operation is not None and operation.input_shape is not None:
        found = list(violations(operation.input_shape, members))
        if found:
            return refuse(service, operation, headers, found)
    return await handler(method, path, headers, body, query)


class Violation:
    """A value that violates a constraint."""

    def __init__(self, path, shape, value, kind, constraint):
        self.path = path  # "tags.1.member.key"
        self.shape = shape
        self.value = value  # None if it is missing
        self.kind = kind  # null, enum, pattern, length or value
        self.constraint = constraint  # "Member must not be null"

    def __str__(self):
        if self.value is None:
            shown = " null"
        elif self.shape.metadata.get("sensitive"):
            shown = ""
        elif isinstance(self.value, list):
            shown = f" '[{', '.join(map(str, self.value))}]'"
        else:
            shown = f" '{self.value}'"
        return f"Value{shown} at '{self.path}' failed to satisfy constraint: {self.constraint}"


def violations(shape, value, path=""):
    """Yield the violations in a value. path is its place in the request."""
    for kind, constraint in violated(shape, value):
        yield Violation(path, shape, value, kind, constraint)
    if shape.type_name == "structure" and isinstance(value, dict):
        required = shape.required_members
        for name, member in shape.members.items():
            place = f"{path}.{name[0].lower()}{name[1:]}".lstrip(".")
            if value.get(name) is not None:
                yield from violations(member, value[name], place)
            elif name in required:
                yield Violation(place, member, None, "null", "Member must not be null")
    elif shape.type_name == "list" and isinstance(value, list):
        for number, item in enumerate(value, start=1):
            if item is not None:
                yield from violations(shape.member, item, f"{path}.{number}.member")
    elif shape.type_name == "map" and isinstance(value, dict):
        for key, item in value.items():
            for kind, constraint in violated(shape.key, key):
                yield Violation(path, shape, value, kind, f"Map keys must satisfy constraint: [{constraint}]")
            if item is not None:
                yield from violations(shape.value, item, f"{path}.{key}.member")


def violated(shape, value):
    """Yield the constraints of a shape itself that a value violates, as their kind and the text of AWS's message."""
    metadata = shape.metadata
    if isinstance(value, str) and shape.type_name == "string":
        if (allowed := metadata.get("enum")) and value not in allowed:
            yield "enum", f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        pattern = metadata.get("pattern")
        if pattern and (compiled := compile_pattern(pattern)) and not compiled.fullmatch(value):
            yield "pattern", f"Member must satisfy regular expression pattern: {pattern}"
        kind, size = "length", len(value)
    elif isinstance(value, list | dict) and shape.type_name in ("list", "map"):
        kind, size = "length", len(value)
    elif isinstance(value, int | float) and shape.type_name in ("integer", "long", "float", "double"):
        kind, size = "value", value
    else:
        return
    if size < metadata.get("min", size):
        yield kind, f"Member must have {kind} greater than or equal to {metadata['min']}"
    if size > metadata.get("max", size):
        yield kind, f"Member must have {kind} less than or equal to {metadata['max']}"


@cache
def compile_pattern(pattern):
    """Return a Java pattern of a model as Python's, or None if Python cannot have it."""
    translated = pattern
    for java, python in PYTHON_CLASSES.items():
        translated = translated.replace(java, python)
    flags = 0 if r"\p{L}" in pattern else re.ASCII
    with warnings.catch_warnings(action="error"):  # sets that Java and Python read differently
        try:
            return re.compile(translated, flags)
        except (re.error, FutureWarning):
            return None


def refuse(service, operation, headers, found):
    """Return a response with an error in the form of the service."""
    code, message = error_of(service, operation, found)
    return error_response(service, headers, 400, code, message)


def error_response(service, headers, status, code, message):
    """Return a response in the form of a service: its status, headers and body."""
    if "x-amz-target" in headers:
        body = json.dumps({"__type": code, "message": message})
        return status, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}, body.encode()
    content = element("Code", escape(code)) + element("Message", escape(message))
    request = str(uuid4())
    if service == "ec2":
        errors = element("Errors", element("Error", content))
        body = element("Response", errors + element("RequestID", request))
    elif service == "s3":
        body = element("Error", content + element("RequestId", request))
    else:
        error = element("Error", element("Type", "Sender") + content)
        body = element("ErrorResponse", error + element("RequestId", request))
    return status, {"Content-Type": "text/xml"}, body.encode()


def error_of(service, operation, found):
    """Return the code and the message of the error."""
    first = found[0]
    name = [part for part in first.path.split(".") if part != "member" and not part.isdigit()][-1]
    if service == "ec2":
        parameter = name[0].upper() + name[1:]
        if first.kind == "null":
            return "MissingParameter", f"The request must contain the parameter {parameter}"
        if first.kind == "enum":
            return "InvalidParameterValue", f"Invalid value '{first.value}' for {parameter}."
        return "InvalidParameterValue", f"Value ({first.value}) for parameter {name} is invalid. {first.constraint}"
    if service == "s3":
        if first.shape.name in S3_CODES:
            return S3_CODES[first.shape.name]
        if first.shape.serialization.get("location"):
            return "InvalidArgument", f"Invalid value '{first.value}' for {name}. {first.constraint}"
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        return "MalformedXML", message
    errors = "error" if len(found) == 1 else "errors"
    message = f"{len(found)} validation {errors} detected: {'; '.join(map(str, found))}"
    if operation.service_model.metadata["protocol"] != "json":
        return CODES.get(service, "ValidationError"), message
    declared = [error.name for error in operation.error_shapes]
    return CODES[service] if CODES.get(service) in declared else "ValidationException", message
