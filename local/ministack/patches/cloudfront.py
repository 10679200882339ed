"""Patches for CloudFront."""

import asyncio
import functools
import http.client
import re
import uuid
from urllib.parse import parse_qs

from ministack.core.iam_evaluator import pin_request_origin
from ministack.core.responses import AccountScopedDict, StreamingResponse
from ministack.services import acm, alb, cloudfront

from patching import replace
from query_protocol import Api

api = Api("cloudfront")


def apply():
    viewer_protocol()
    https_to_load_balancers()
    parsed_configurations()
    origin_access_identities()
    response_headers_policies()
    updated_functions()


def viewer_protocol():
    """Viewer requests: CloudFront reads S3 over the viewer's protocol; for MiniStack, every such read is plain HTTP.
    The bucket policy denies plain HTTP, so every page would be a 403."""

    async def view(distribution, method, path, uri, query_string, headers, body, query, address="127.0.0.1"):
        pin_request_origin(address, headers.get("x-forwarded-proto") == "https")
        return await original_view(distribution, method, path, uri, query_string, headers, body, query, address)

    original_view = replace(cloudfront, "handle_viewer_request", view)


def https_to_load_balancers():
    """Viewer requests: MiniStack answers 502 if CloudFront reaches a load balancer by HTTPS, because nothing here has
    TLS. Like CloudFront, this answers 502 only if the load balancer's certificate is not valid, or is not for the Host
    (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/http-502-bad-gateway.html)."""

    async def fetch(balancer, origin, method, path, query, headers, body, viewer_is_https, address, forwarded):
        _, port, https = cloudfront._origin_connect_target(origin, viewer_is_https)
        if not https:
            return await original_fetch(
                balancer, origin, method, path, query, headers, body, viewer_is_https, address, forwarded
            )
        fields = cloudfront._origin_request_headers(origin, headers, address, forwarded)
        fields = {name.lower(): value for name, value in fields.items()}
        if not has_certificate(balancer, port, fields["host"].split(":")[0]):
            raise cloudfront.OriginUnreachable(f"{balancer['DNSName']} has no valid certificate for {fields['host']}")
        parameters = parse_qs(query, keep_blank_values=True)
        limit = origin.get("read_timeout", 30)
        try:
            status, answer, content = await asyncio.wait_for(
                alb.dispatch_request(
                    balancer, method, path, fields, body or b"", parameters, port, "127.0.0.1", raw_query_string=query
                ),
                limit,
            )
        except TimeoutError as e:
            raise cloudfront.OriginTimeout(f"no response from {balancer['DNSName']} within {limit}s") from e
        if isinstance(content, StreamingResponse):
            content = await cloudfront._collect_streaming_body(content, limit)
        pairs = [(name, v) for name, value in answer.items() for v in (value if isinstance(value, list) else [value])]
        return status, http.client.responses.get(status, ""), pairs, content

    original_fetch = replace(cloudfront, "_fetch_from_alb_origin", fetch)


def has_certificate(balancer, port, host):
    """Return whether a load balancer has a valid certificate for a host on a port."""
    arns = {
        arn
        for listener in alb._listeners.values()
        if listener["LoadBalancerArn"] == balancer["LoadBalancerArn"] and listener.get("Port") == port
        for arn in listener.get("Certificates", [])
    }
    return any(
        certificate["Status"] == "ISSUED"
        and {host, "*." + host.partition(".")[2]} & {certificate["DomainName"], *certificate["SubjectAlternativeNames"]}
        for certificate in acm._certificates._data.values()
        if certificate["CertificateArn"] in arns
    )


def parsed_configurations():
    """Viewer requests: MiniStack parses the distribution's configuration several times for each. The result is read
    only, so it is kept."""

    @functools.lru_cache(maxsize=32)
    def parse(configuration):
        return original_parse({"config_xml": configuration})

    original_parse = replace(cloudfront, "_dist_config_el", lambda distribution: parse(distribution.get("config_xml")))


def origin_access_identities():
    """{Create,Get,Update,Delete}CloudFrontOriginAccessIdentity, GetCloudFrontOriginAccessIdentityConfig and
    ListCloudFrontOriginAccessIdentities: MiniStack lacks all but the last, which always returns an empty list. The
    frontend's distribution reads its bucket with an origin access identity."""
    paths = re.compile(r"/2020-05-31/origin-access-identity/cloudfront(?:/([^/]+))?(/config)?/?")
    identities = AccountScopedDict()
    config_shape = "CloudFrontOriginAccessIdentityConfig"

    def xml_response(shape, value, status=200, etag=""):
        content = f'<{shape} xmlns="{cloudfront.NS}">{api.xml(shape, value)}</{shape}>'
        return status, {"Content-Type": "text/xml", "ETag": etag}, content.encode()

    def identity_response(identity, status=200):
        return xml_response("CloudFrontOriginAccessIdentity", identity, status, identity["ETag"])

    def list_response():
        items = [{**identity, **identity[config_shape]} for identity in identities.values()]
        page = {"Marker": "", "MaxItems": 100, "IsTruncated": False, "Quantity": len(items), "Items": items}
        return xml_response("CloudFrontOriginAccessIdentityList", page)

    def create(config):
        for identity in identities.values():
            if identity[config_shape]["CallerReference"] == config["CallerReference"]:
                return identity_response(identity, 201)
        key = cloudfront._dist_id()
        identities[key] = {
            "Id": key,
            "S3CanonicalUserId": uuid.uuid4().hex * 2,
            "ETag": cloudfront._dist_id(),
            config_shape: config,
        }
        return identity_response(identities[key], 201)

    def delete(key):
        if any(f"/{key}<" in distribution["config_xml"] for distribution in cloudfront._distributions.values()):
            return cloudfront._error("CloudFrontOriginAccessIdentityInUse", "A distribution uses the identity.", 409)
        del identities[key]
        return 204, {}, b""

    async def handle(method, path, headers, body, query):
        match = paths.fullmatch(path)
        if not match:
            return await original_handle(method, path, headers, body, query)
        key, config_only = match.groups()
        if method in ("POST", "PUT"):
            request = cloudfront._parse_body(body)
            config = {name: cloudfront._text(request, name) for name in ("CallerReference", "Comment")}
        if key is None:
            return create(config) if method == "POST" else list_response()
        identity = identities.get(key)
        if identity is None:
            return cloudfront._error("NoSuchCloudFrontOriginAccessIdentity", "The identity does not exist.", 404)
        if method == "GET" and config_only:
            return xml_response(config_shape, identity[config_shape], etag=identity["ETag"])
        if method == "GET":
            return identity_response(identity)
        if headers.get("if-match") != identity["ETag"]:
            return cloudfront._error("PreconditionFailed", "If-Match is not the identity's ETag.", 412)
        if method == "DELETE":
            return delete(key)
        identity.update({config_shape: config, "ETag": cloudfront._dist_id()})
        return identity_response(identity)

    original_handle = replace(cloudfront, "handle_request", handle)


def response_headers_policies():
    """GetResponseHeadersPolicy: AWS returns a list of headers only if the policy has one; MiniStack returns empty
    lists. Terraform's second plan would show them as a change."""

    def build(parent, config):
        original_build(parent, config)
        for name in ("CustomHeaders", "RemoveHeaders"):
            if not config[name]:
                parent.remove(parent.find(f"{name}Config"))

    original_build = replace(cloudfront, "_build_rhp_config_xml", build)
    cloudfront._RHP_SPEC["build_config"] = build


def updated_functions():
    """UpdateFunction: the API's model names the header of the new version "ETtag", which is what an SDK reads.
    MiniStack sends "ETag" only, so the PublishFunction after it would have no If-Match."""

    def update(name, headers, body):
        status, answer, content = original_update(name, headers, body)
        if "ETag" in answer:
            answer = {**answer, "ETtag": answer["ETag"]}
        return status, answer, content

    original_update = replace(cloudfront, "_cf_update_function", update)
