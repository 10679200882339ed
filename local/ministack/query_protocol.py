"""Requests and answers of the query APIs (EC2, Auto Scaling, CloudWatch), read and written by botocore's models.

    api = Api("ec2")
    api.request("CreateFlowLogs", {"ResourceId.1": "vpc-1", "TrafficType": "ALL"})  -> {"ResourceIds": ["vpc-1"], ...}
    api.xml("FlowLog", {"TrafficType": "ALL"})                                     -> <trafficType>ALL</trafficType>
"""

from datetime import datetime, timezone
from xml.sax.saxutils import escape

from botocore.session import get_session


class Api:
    def __init__(self, service):
        self.ec2 = service == "ec2"  # its lists are List.1, those of the others List.member.1
        self.model = get_session().get_service_model(service)

    def request(self, operation, parameters):
        return self._value(self.model.operation_model(operation).input_shape, tree(parameters))

    def structure(self, shape, parameters, prefix):
        """The part of a request below a prefix, as the model's shape."""
        return self._value(self.model.shape_for(shape), tree(parameters).get(prefix, {}))

    def _value(self, shape, sent):
        kind = shape.type_name
        if kind == "structure":
            names = {name: self._sent_name(name, member) for name, member in shape.members.items()}
            return {name: self._value(shape.members[name], sent[key]) for name, key in names.items() if key in sent}
        if kind == "list":
            items = sent if self.ec2 or sent == "" else sent.get("member", {})
            return [self._value(shape.member, items[number]) for number in sorted(items, key=int)]
        if kind in ("integer", "long"):
            return int(sent)
        if kind in ("float", "double"):
            return float(sent)
        return sent == "true" if kind == "boolean" else sent

    def _sent_name(self, name, member):
        sent = member.serialization.get("name", name)
        return member.serialization.get("queryName", sent[0].upper() + sent[1:]) if self.ec2 else sent

    def xml(self, shape, value):
        shape = self.model.shape_for(shape) if isinstance(shape, str) else shape
        if shape.type_name == "structure":
            return "".join(element(member.serialization.get("name", name), self.xml(member, value[name]))
                           for name, member in shape.members.items() if value.get(name) is not None)
        if shape.type_name == "list":
            return "".join(element(shape.member.serialization.get("name", "member"), self.xml(shape.member, item))
                           for item in value)
        if shape.type_name == "boolean":
            return "true" if value else "false"
        if shape.type_name == "timestamp" and not isinstance(value, str):
            return datetime.fromtimestamp(value, timezone.utc).isoformat()
        return escape(str(value))


def tree(parameters):
    """{"A.1.B": ["x"]} as {"A": {"1": {"B": "x"}}}"""
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
