"""Patches for CloudWatch Logs Insights.

- {Put,Describe,Delete}QueryDefinition: MiniStack lacks them.
- StartQuery: MiniStack has neither stats nor the fields that AWS discovers in JSON and flow logs, and ignores a filter
  that it does not know. This has the part of the language that the saved queries use, and refuses the rest.
- GetQueryResults: AWS runs a query in the background, so the first answer here is that it runs.
"""

import json
import operator
import re
import time
import uuid
from collections import Counter

from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response
from ministack.services import cloudwatch_logs

import own_services
from patching import replace

definitions = AccountRegionScopedDict()  # by ID

FIELD = r"(`[^`]+`|[@\w.]+)"
COMPARISON = r"(=|!=|>=|<=|>|<|(?:not\s+)?like\b)"
VALUE = r"""(/(?:\\.|[^/])+/|"[^"]*"|'[^']*'|-?[\d.]+)"""
CONDITION = re.compile(rf"{FIELD}\s*{COMPARISON}\s*{VALUE}")
OPERATORS = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
FLOW_LOG = [
    *("version", "accountId", "interfaceId", "srcAddr", "dstAddr", "srcPort", "dstPort"),
    *("protocol", "packets", "bytes", "start", "end", "action", "logStatus"),
]


def apply():
    operations = {"PutQueryDefinition": put, "DescribeQueryDefinitions": describe, "DeleteQueryDefinition": delete}

    async def handle(method, path, headers, body, query_params):
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation in operations:
            return operations[operation](json.loads(body or b"{}"))
        return await original_handle(method, path, headers, body, query_params)

    def start(request):
        try:
            run = compile_query(request["queryString"])
        except ValueError as error:
            return error_response_json("MalformedQueryException", str(error), 400)
        response = original_start(request)
        if response[0] == 200:
            query = cloudwatch_logs._queries[json.loads(response[2])["queryId"]]
            groups = cloudwatch_logs._resolve_query_log_groups(request)
            records = cloudwatch_logs._collect_query_records(groups, request["startTime"], request["endTime"])
            query |= {"results": run([event(record) for record in records]), "status": "Running"}
        return response

    def results(request):
        response = original_results(request)
        query = cloudwatch_logs._queries.get(request["queryId"], {})
        if query.get("status") == "Running":
            query["status"] = "Complete"
            return json_response(json.loads(response[2]) | {"results": []})
        return response

    own_services.stores["logs insights"] = {"query_definitions": definitions}
    original_handle = replace(cloudwatch_logs, "handle_request", handle)
    original_start = replace(cloudwatch_logs, "_start_query", start)
    original_results = replace(cloudwatch_logs, "_get_query_results", results)


def put(request):
    identifier = request.get("queryDefinitionId", str(uuid.uuid4()))
    if "queryDefinitionId" in request and identifier not in definitions:
        return missing(identifier)
    definitions[identifier] = {
        "queryDefinitionId": identifier,
        "name": request["name"],
        "queryString": request["queryString"],
        "logGroupNames": request.get("logGroupNames", []),
        "lastModified": int(time.time() * 1000),
    }
    return json_response({"queryDefinitionId": identifier})


def describe(request):
    prefix = request.get("queryDefinitionNamePrefix", "")
    found = sorted((d for d in definitions.values() if d["name"].startswith(prefix)), key=lambda d: d["name"])
    begin = cloudwatch_logs._decode_token(request.get("nextToken"))
    end = begin + request.get("maxResults", 1000)
    response = {"queryDefinitions": found[begin:end]}
    if end < len(found):
        response["nextToken"] = cloudwatch_logs._encode_token(end)
    return json_response(response)


def delete(request):
    if request["queryDefinitionId"] not in definitions:
        return missing(request["queryDefinitionId"])
    del definitions[request["queryDefinitionId"]]
    return json_response({"success": True})


def missing(identifier):
    return error_response_json("ResourceNotFoundException", f"The query definition {identifier} does not exist.", 400)


def event(record):
    """Return the fields of an event, those that AWS discovers too."""
    fields = cloudwatch_logs._public_log_record(record)
    message = fields["@message"]
    values = message.split()
    if len(values) == len(FLOW_LOG) and values[0] == "2":
        return fields | dict(zip(FLOW_LOG, values, strict=True))
    try:
        return fields | dict(flatten(json.loads(message)))
    except ValueError:
        return fields


def flatten(value, prefix=""):
    """Yield the fields of a JSON object: {"a": {"b": 1}} has a.b."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        if isinstance(inner, dict):
            yield from flatten(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, str(inner)


def compile_query(text):
    """Return a function from events to the rows of a query's result. A ValueError says what it does not know."""
    stages, fields, limit = [], ["@timestamp", "@message"], 10000
    for stage in cloudwatch_logs._split_insights_pipes(text):
        command, _, rest = stage.partition(" ")
        match command:
            case "fields":
                fields = names(rest)
            case "filter":
                stages.append(compile_filter(rest))
            case "stats":
                count, keys = match_all(r"count\(\*\) as (\w+) by (.+)", rest)
                fields = [*names(keys), count]
                stages.append(compile_count(count, names(keys)))
            case "sort":
                field, order = match_all(FIELD + r"(?:\s+(asc|desc))?", rest)
                stages.append(compile_sort(field.strip("`"), order == "desc"))
            case "limit":
                limit = int(rest)
            case _:
                raise ValueError(f"unknown command {command}")

    def run(events):
        for stage in stages:
            events = stage(events)
        return [
            [{"field": name, "value": str(each[name])} for name in (*fields, "@ptr") if name in each]
            for each in events[:limit]
        ]

    return run


def match_all(pattern, text):
    found = re.fullmatch(pattern, text.strip())
    if not found:
        raise ValueError(f"unexpected {text}")
    return found.groups()


def names(text):
    return [match_all(FIELD, name)[0].strip("`") for name in text.split(",")]


def compile_filter(text):
    conditions, position = [], 0
    while True:
        condition = CONDITION.match(text, position)
        if not condition:
            raise ValueError(f"unexpected {text[position:]}")
        conditions.append(compile_condition(*condition.groups()))
        position = condition.end()
        if not text[position:].strip():
            return lambda events: [each for each in events if all(is_met(each) for is_met in conditions)]
        conjunction = re.compile(r"\s+and\s+").match(text, position)
        if not conjunction:
            raise ValueError(f"unexpected {text[position:]}")
        position = conjunction.end()


def compile_condition(field, comparison, value):
    field = field.strip("`")
    if comparison.endswith("like"):
        pattern = re.compile(value[1:-1] if value[0] == "/" else re.escape(value[1:-1]))
        wanted = comparison == "like"
        return lambda each: bool(pattern.search(each.get(field, ""))) == wanted
    compare = OPERATORS[comparison]
    if value[0] in "\"'":
        return lambda each: compare(each.get(field, ""), value[1:-1])

    def is_met(each):
        try:
            return compare(float(each[field]), float(value))
        except (KeyError, ValueError):
            return False

    return is_met


def compile_count(count, keys):
    def stage(events):
        rows = Counter(tuple(each.get(key, "") for key in keys) for each in events)
        return [dict(zip(keys, row, strict=True)) | {count: number} for row, number in rows.items()]

    return stage


def compile_sort(field, descending):
    def key(each):
        try:
            return 1, float(each[field]), ""
        except ValueError:
            return 0, 0, each[field]

    def stage(events):
        with_field = [each for each in events if field in each]
        return sorted(with_field, key=key, reverse=descending)

    return stage
