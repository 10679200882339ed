"""Tests of constraints.py and api_requests.py.

python -m unittest constraints_test, in this directory; go test ./test/instances runs them.
"""

import runpy
import unittest
from urllib.parse import urlencode

import api_requests
import constraints
from query_protocol import service_model

FORM = {"content-type": "application/x-www-form-urlencoded"}


def read(service, method, path, headers=None, body="", query=None):
    return api_requests.read(service, method, path, headers or {}, body.encode(), query or {})


def read_query(service, **parameters):
    """Return the members of a request of the query protocol; a name has __ where it has a full stop."""
    form = urlencode({name.replace("__", "."): value for name, value in parameters.items()})
    return read(service, "POST", "/", FORM, form)[1]


def found(service, operation, members):
    shape = service_model(api_requests.BOTOCORE_NAMES.get(service, service)).operation_model(operation).input_shape
    return [str(each) for each in constraints.violations(shape, members)]


class Reading(unittest.TestCase):
    def test_query_protocol(self):
        attributes = {"Attributes__entry__1__key": "k", "Attributes__entry__1__value": "v"}
        members = read_query("sns", Action="CreateTopic", Name="a", **attributes)
        self.assertEqual(members, {"Name": "a", "Attributes": {"k": "v"}})
        # A service names its items as the model does (ElastiCache), or member.
        for item in ("SecurityGroupId", "member"):
            members = read_query("elasticache", Action="CreateCacheCluster", **{f"SecurityGroupIds__{item}__1": "sg-1"})
            self.assertEqual(members, {"SecurityGroupIds": ["sg-1"]})
        self.assertEqual(read_query("elasticloadbalancing", Action="CreateLoadBalancer", Subnets=""), {"Subnets": []})
        self.assertEqual(
            read_query("ec2", Action="RunInstances", MinCount="1", NetworkInterface__1__SubnetId="subnet-1"),
            {"MinCount": 1, "NetworkInterfaces": [{"SubnetId": "subnet-1"}]},
        )

    def test_json(self):
        operation, members = read("kms", "POST", "/", {"x-amz-target": "TrentService.CreateKey"}, '{"Description":"d"}')
        self.assertEqual((operation.name, members), ("CreateKey", {"Description": "d"}))

    def test_operations_that_the_models_lack(self):
        self.assertEqual(read("sts", "POST", "/", FORM, "Action=Unknown"), (None, {}))
        self.assertEqual(read("kms", "POST", "/", {"x-amz-target": "TrentService.Unknown"}, "{}"), (None, {}))
        self.assertEqual(read("route53", "GET", "/unknown"), (None, {}))

    def test_requests_that_cannot_be_read(self):
        with self.assertRaises(ValueError):
            read("kms", "POST", "/", {"x-amz-target": "TrentService.CreateKey"}, "{")
        with self.assertRaises(ValueError):
            read("route53", "POST", "/2013-04-01/hostedzone", body="<CreateHostedZoneRequest>")
        with self.assertRaises(ValueError):
            read_query("sts", Action="GetFederationToken", Name="ab", DurationSeconds="long")
        for parameters in (
            {"Tags__member__1": "a", "Tags__member__1__Key": "a"},
            {"Tags__member__a__Key": "a"},
            {"Tags": "a"},
        ):
            with self.assertRaises(ValueError):
                read_query("iam", Action="CreateUser", UserName="ab", **parameters)

    def test_operations_with_one_path(self):
        for method, path, headers, query, name in (
            ("GET", "/", {}, {}, "ListBuckets"),
            ("PUT", "/bucket", {}, {}, "CreateBucket"),
            ("GET", "/bucket/", {}, {"list-type": ["2"]}, "ListObjectsV2"),
            ("GET", "/bucket", {}, {}, "ListObjects"),
            ("PUT", "/bucket", {}, {"lifecycle": [""]}, "PutBucketLifecycleConfiguration"),
            ("PUT", "/bucket/a/b", {}, {}, "PutObject"),
            ("PUT", "/bucket/a/b", {"x-amz-copy-source": "/c/d"}, {}, "CopyObject"),
            ("PUT", "/bucket/a", {}, {"partNumber": ["1"], "uploadId": ["u"]}, "UploadPart"),
            ("GET", "/bucket/a", {}, {"tagging": [""]}, "GetObjectTagging"),
            ("GET", "/bucket/a", {}, {}, "GetObject"),
        ):
            operation, members = read("s3", method, path, headers, query=query)
            self.assertEqual(operation.name, name)
            self.assertEqual(members.get("Bucket"), None if path == "/" else "bucket")
        self.assertEqual(read("s3", "GET", "/v20180820/tags/a", {"x-amz-account-id": "1"}), (None, {}))

    def test_xml(self):
        body = """<InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">
            <CallerReference>1</CallerReference>
            <Paths><Quantity>1</Quantity><Items><Path>/*</Path></Items></Paths>
            </InvalidationBatch>"""
        operation, members = read("cloudfront", "POST", "/2020-05-31/distribution/E1/invalidation", body=body)
        batch = {"CallerReference": "1", "Paths": {"Quantity": 1, "Items": ["/*"]}}
        self.assertEqual(operation.name, "CreateInvalidation")
        self.assertEqual(members, {"DistributionId": "E1", "InvalidationBatch": batch})


class Constraints(unittest.TestCase):
    def expect(self, service, operation, members, value, place, constraint):
        """Expect one violation. value is as in the message."""
        message = f"Value{value} at '{place}' failed to satisfy constraint: {constraint}"
        self.assertEqual(found(service, operation, members), [message])

    def test_valid_requests(self):
        item = {"TableName": "locks", "Key": {"LockID": {"S": "a"}}}
        self.assertEqual(found("dynamodb", "GetItem", item), [])
        self.assertEqual(found("ec2", "RunInstances", {"MinCount": 1, "MaxCount": 1, "InstanceType": "t3a.micro"}), [])
        self.assertEqual(found("iam", "CreateUser", {"UserName": "a", "Tags": [{"Key": "größe", "Value": ""}]}), [])
        group = {"AutoScalingGroupName": "\U0001f600", "MinSize": 0, "MaxSize": 1}
        self.assertEqual(found("autoscaling", "CreateAutoScalingGroup", group), [])

    def test_missing(self):
        for members in ({}, {"KeyId": None}):
            self.expect("kms", "DescribeKey", members, " null", "keyId", "Member must not be null")

    def test_enumeration(self):
        values = "Member must satisfy enum value set: [STANDARD, INFREQUENT_ACCESS, DELIVERY]"
        group = {"logGroupName": "a", "logGroupClass": "COLD"}
        self.expect("logs", "CreateLogGroup", group, " 'COLD'", "logGroupClass", values)

    def test_pattern(self):
        pattern = r"Member must satisfy regular expression pattern: [\w+=,.@-]+"
        for name in ("a b", "a\n", "größe", "/a"):
            self.expect("iam", "CreateUser", {"UserName": name}, f" '{name}'", "userName", pattern)

    def test_length(self):
        constraint = "Member must have length less than or equal to 64"
        self.expect("iam", "CreateUser", {"UserName": "a" * 65}, f" '{'a' * 65}'", "userName", constraint)
        constraint = "Member must have length greater than or equal to 1"
        get = {"TableName": "locks", "Key": {}, "AttributesToGet": []}
        self.expect("dynamodb", "GetItem", get, " '[]'", "attributesToGet", constraint)

    def test_range(self):
        deletion = {"KeyId": "k", "PendingWindowInDays": 366}
        constraint = "Member must have value less than or equal to 365"
        self.expect("kms", "ScheduleKeyDeletion", deletion, " '366'", "pendingWindowInDays", constraint)

    def test_place_in_a_list(self):
        constraint = "Member must have length greater than or equal to 1"
        tags = [{"TagKey": "a", "TagValue": ""}, {"TagKey": "", "TagValue": ""}]
        self.expect("kms", "CreateKey", {"Tags": tags}, " ''", "tags.2.member.tagKey", constraint)

    def test_map(self):
        group = {"logGroupName": "a", "tags": {"a;b": ""}}
        pattern = r"Member must satisfy regular expression pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]+)$"
        constraint = f"Map keys must satisfy constraint: [{pattern}]"
        self.expect("logs", "CreateLogGroup", group, " '{'a;b': ''}'", "tags", constraint)

    def test_sensitive_values_are_not_shown(self):
        change = {"OldPassword": "a" * 129, "NewPassword": "new"}
        constraint = "Member must have length less than or equal to 128"
        self.expect("iam", "ChangePassword", change, "", "oldPassword", constraint)

    def test_errors_of_ec2(self):
        for operation, members, expected in (
            ("DescribeInstanceTypes", {"InstanceTypes": ["t3.mikro"]}, "Invalid value 't3.mikro' for InstanceTypes."),
            ("CreateVpc", {"TagSpecifications": [{"ResourceType": "vcp"}]}, "Invalid value 'vcp' for ResourceType."),
            (
                "DescribeInstanceTypes",
                {"MaxResults": 4},
                "Value (4) for parameter maxResults is invalid. Member must have value greater than or equal to 5",
            ),
        ):
            model = service_model("ec2").operation_model(operation)
            violations = list(constraints.violations(model.input_shape, members))
            self.assertEqual(constraints.error_of("ec2", model, violations), ("InvalidParameterValue", expected))

    def test_patterns_that_python_cannot_have(self):
        """Python has no class for punctuation and marks, which the cloud connectors of SSM have, and no flag inside a
        pattern, which the names of budgets have."""
        services = runpy.run_path("__main__.py")["SERVICES"]
        left, checked = set(), 0
        for service in services:
            model = service_model(api_requests.BOTOCORE_NAMES.get(service, service))
            for name in model.shape_names:
                if pattern := model.shape_for(name).metadata.get("pattern"):
                    checked += 1
                    if constraints.compile_pattern(pattern) is None:
                        left.add((service, name))
        self.assertGreater(checked, 300)
        names = (
            "AzureApplicationDisplayName AzureSubscriptionDisplayName AzureTenantDisplayName CloudConnectorDescription"
        )
        ssm = {("ssm", name) for name in [*names.split(), "DisplayName"]}
        self.assertEqual(left, ssm | {("budgets", "BudgetName")})


if __name__ == "__main__":
    unittest.main()
