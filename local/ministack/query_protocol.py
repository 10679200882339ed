"""Requests and responses of the AWS query protocol, which the services with XML and without REST have, read and written
with botocore's service models.

    api = Api("ec2")
    api.request("CreateFlowLogs", {"ResourceId.1": "vpc-1", "TrafficType": "ALL"})
    -> {"ResourceIds": ["vpc-1"], "TrafficType": "ALL"}
    api.xml("FlowLog", {"TrafficType": "ALL"})
    -> <trafficType>ALL</trafficType>
"""

from datetime import UTC, datetime
from functools import cache
from xml.sax.saxutils import escape

from botocore.session import get_session

session = get_session()


@cache
def service_model(service):
    """Return the model of a service, by botocore's name."""
    return session.get_service_model(service)


class Api:
    """Api reads requests and writes responses of one service."""

    def __init__(self, service):
        self.is_ec2 = service == "ec2"  # EC2 names list items List.1, the other services List.member.1
        self.model = service_model(service)

    def request(self, operation, parameters):
        """Return a request's parameters as the operation's input structure."""
        return self._parse(self.model.operation_model(operation).input_shape, nest(parameters))

    def structure(self, shape, parameters, prefix):
        """Return the parameters with a prefix as a shape of the model."""
        return self._parse(self.model.shape_for(shape), nest(parameters).get(prefix, {}))

    def _parse(self, shape, value):
        kind = shape.type_name
        if kind == "structure":
            names = {name: self._parameter_name(name, member) for name, member in shape.members.items()}
            return {name: self._parse(shape.members[name], value[key]) for name, key in names.items() if key in value}
        if kind == "list":
            return [self._parse(shape.member, item) for item in self._items(shape, value)]
        if kind == "map":
            names = [
                part.serialization.get("name", name) for part, name in ((shape.key, "key"), (shape.value, "value"))
            ]
            entries = self._items(shape, value)
            return {entry.get(names[0]): self._parse(shape.value, entry.get(names[1], "")) for entry in entries}
        if kind in ("integer", "long"):
            return int(value)
        if kind in ("float", "double"):
            return float(value)
        return value == "true" if kind == "boolean" else value

    def _items(self, shape, value):
        """Return the items of a list or a map in order. An empty one is an empty string."""
        if value == "":
            return []
        if not self.is_ec2 and not shape.serialization.get("flattened"):
            name = "entry" if shape.type_name == "map" else shape.member.serialization.get("name", "member")
            value = value[name] if name in value else value.get("member", {})
        return [value[number] for number in sorted(value, key=int)]

    def _parameter_name(self, name, member):
        location = member.serialization.get("name", name)
        if not self.is_ec2:
            return location
        return member.serialization.get("queryName", location[0].upper() + location[1:])

    def xml(self, shape, value):
        """Return the content of a shape's XML element."""
        shape = self.model.shape_for(shape) if isinstance(shape, str) else shape
        if shape.type_name == "structure":
            return "".join(
                element(member.serialization.get("name", name), self.xml(member, value[name]))
                for name, member in shape.members.items()
                if value.get(name) is not None
            )
        if shape.type_name == "list":
            name = shape.member.serialization.get("name", "member")
            return "".join(element(name, self.xml(shape.member, item)) for item in value)
        if shape.type_name == "boolean":
            return "true" if value else "false"
        if shape.type_name == "timestamp" and not isinstance(value, str):
            return datetime.fromtimestamp(value, UTC).isoformat()
        return escape(str(value))


def nest(parameters):
    """Turn {"A.1.B": ["x"]} into {"A": {"1": {"B": "x"}}}."""
    root = {}
    for key, value in parameters.items():
        *path, last = key.split(".")
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node[last] = value[0] if isinstance(value, list) else value
    return root


def element(name, content):
    return f"<{name}>{content}</{name}>"
