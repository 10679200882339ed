package instances

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// The local AWS refuses what AWS's API models refuse, and in the same way. In each case, the first request is accepted.
func TestConstraintsOfTheAPIModels(t *testing.T) {
	t.Parallel()
	e := start(t)

	t.Run("query", func(t *testing.T) {
		for _, test := range []struct {
			call      string
			accepted  string // parameters
			violating string // parameters, in addition or instead
			refusal   string
		}{
			{
				"iam CreateRole", "RoleName=release AssumeRolePolicyDocument={}", "RoleName=re/lease",
				`ValidationError: 1 validation error detected: Value 're/lease' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`,
			},
			{
				"iam TagRole", "RoleName=release Tags.member.1.Key=größe Tags.member.1.Value=2", "Tags.member.2.Key=a;b Tags.member.2.Value=",
				`ValidationError: 1 validation error detected: Value 'a;b' at 'tags.2.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`,
			},
			{
				"sts GetFederationToken", "Name=someone", "Name= DurationSeconds=60",
				"ValidationError: 2 validation errors detected: Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2; " +
					"Value '60' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
			},
			{
				"elasticloadbalancing CreateTargetGroup", "Name=ports Protocol=HTTP Port=80 VpcId=vpc-00000001", "Port=70000",
				"ValidationError: 1 validation error detected: Value '70000' at 'port' failed to satisfy constraint: Member must have value less than or equal to 65535",
			},
			{
				"monitoring PutMetricAlarm",
				"AlarmName=cpu Namespace=AWS/EC2 MetricName=CPUUtilization Statistic=Average Period=60 EvaluationPeriods=1 Threshold=1 ComparisonOperator=GreaterThanThreshold",
				"EvaluationPeriods=0",
				"ValidationError: 1 validation error detected: Value '0' at 'evaluationPeriods' failed to satisfy constraint: Member must have value greater than or equal to 1",
			},
			{
				"elasticache CreateReplicationGroup", "ReplicationGroupId=constraints ReplicationGroupDescription=cache NumCacheClusters=1", "IpDiscovery=ipv5",
				"ValidationError: 1 validation error detected: Value 'ipv5' at 'ipDiscovery' failed to satisfy constraint: Member must satisfy enum value set: [ipv4, ipv6]",
			},
			{
				"ec2 CreateLaunchTemplate", "LaunchTemplateName=types LaunchTemplateData.InstanceType=t3.micro", "LaunchTemplateData.InstanceType=t3.mikro",
				"InvalidParameterValue: Invalid value 't3.mikro' for InstanceType.",
			},
			{
				"ec2 CreateVpc", "CidrBlock=10.0.0.0/16", "TagSpecification.1.ResourceType=vcp",
				"InvalidParameterValue: Invalid value 'vcp' for ResourceType.",
			},
		} {
			accepted := strings.Split(test.accepted, " ")
			e.call(t, test.call, accepted...)
			if _, refusal := e.try(t, test.call, append(accepted, strings.Split(test.violating, " ")...)...); refusal != test.refusal {
				t.Errorf("%s %s:\ngot  %q\nwant %q", test.call, test.violating, refusal, test.refusal)
			}
		}
		const missing = "ValidationError: 1 validation error detected: Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null"
		if _, refusal := e.try(t, "iam CreateRole", "RoleName=incomplete"); refusal != missing {
			t.Errorf("got  %q\nwant %q", refusal, missing)
		}
		const noSubnet = "MissingParameter: The request must contain the parameter VpcId"
		if _, refusal := e.try(t, "ec2 CreateSubnet", "CidrBlock=10.0.0.0/24"); refusal != noSubnet {
			t.Errorf("got  %q\nwant %q", refusal, noSubnet)
		}
	})

	t.Run("JSON", func(t *testing.T) {
		for _, test := range []struct{ service, target, accepted, violating, code, message string }{
			{
				"logs", "Logs_20140328.CreateLogGroup", `{"logGroupName":"/starttech/backend"}`, `{"logGroupName":"back end"}`, "InvalidParameterException",
				`1 validation error detected: Value 'back end' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+`,
			},
			{
				"ssm", "AmazonSSM.PutParameter", `{"Name":"/release","Value":"1","Type":"String"}`, `{"Name":"/release","Value":"1","Type":"Text"}`, "ValidationException",
				"1 validation error detected: Value 'Text' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [String, StringList, SecureString]",
			},
			{
				"ecr", "AmazonEC2ContainerRegistry_V20150921.CreateRepository", `{"repositoryName":"backend"}`, `{"repositoryName":"b"}`, "InvalidParameterException",
				"1 validation error detected: Value 'b' at 'repositoryName' failed to satisfy constraint: Member must have length greater than or equal to 2",
			},
			{
				"acm", "CertificateManager.RequestCertificate", `{"DomainName":"shop.example.org"}`, `{"DomainName":"` + strings.Repeat("a", 64) + `.org"}`, "ValidationException",
				"1 validation error detected: Value '" + strings.Repeat("a", 64) + ".org' at 'domainName' failed to satisfy constraint: Member must satisfy regular expression pattern: ",
			},
		} {
			request := func(body string) (int, string) {
				headers := map[string]string{"X-Amz-Target": test.target, "Content-Type": "application/x-amz-json-1.1"}
				status, content := e.send(t, test.service, http.MethodPost, "/", headers, body)
				return status, string(content)
			}
			if status, body := request(test.accepted); status != http.StatusOK {
				t.Errorf("%s %s: %d %s", test.target, test.accepted, status, body)
			}
			status, body := request(test.violating)
			if status != http.StatusBadRequest || !strings.Contains(body, `"`+test.code+`"`) || !strings.Contains(body, test.message) {
				t.Errorf("%s %s: %d %s", test.target, test.violating, status, body)
			}
		}
	})

	t.Run("REST", func(t *testing.T) {
		function := func(name, runtime string) string {
			return `<CreateFunctionRequest xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Name>` + name + `</Name><FunctionConfig><Comment/><Runtime>` + runtime +
				`</Runtime></FunctionConfig><FunctionCode>ZnVuY3Rpb24gaGFuZGxlcihlKXtyZXR1cm4gZS5yZXF1ZXN0fQ==</FunctionCode></CreateFunctionRequest>`
		}
		zone := func(reference string) string {
			return `<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Name>example.org</Name><CallerReference>` + reference +
				`</CallerReference></CreateHostedZoneRequest>`
		}
		versioning := func(status string) string {
			return `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>` + status + `</Status></VersioningConfiguration>`
		}
		const location = "<CreateBucketConfiguration><LocationConstraint>" + region + "</LocationConstraint></CreateBucketConfiguration>"
		if status, content := e.send(t, "s3", http.MethodPut, "/constraints", nil, location); status != http.StatusOK {
			t.Fatalf("%d %s", status, content)
		}
		for _, test := range []struct {
			service, method, path string
			acl                   string // a header
			accepted, violating   string // bodies
			refusal               string
		}{
			{
				"cloudfront", http.MethodPost, "/2020-05-31/function", "", function("routes", "cloudfront-js-2.0"), function("ro utes", "cloudfront-js-2.0"),
				"<Code>MalformedXML</Code><Message>1 validation error detected: Value 'ro utes' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9-_]{1,64}</Message>",
			},
			{
				"cloudfront", http.MethodPost, "/2020-05-31/function", "", function("runtimes", "cloudfront-js-2.0"), function("runtimes", "js"),
				"Value 'js' at 'functionConfig.runtime' failed to satisfy constraint: Member must satisfy enum value set: [cloudfront-js-1.0, cloudfront-js-2.0]",
			},
			{
				"route53", http.MethodPost, "/2013-04-01/hostedzone", "", zone("1"), zone(strings.Repeat("1", 129)),
				"<Code>InvalidInput</Code><Message>1 validation error detected: Value '" + strings.Repeat("1", 129) +
					"' at 'callerReference' failed to satisfy constraint: Member must have length less than or equal to 128</Message>",
			},
			{
				"s3", http.MethodPut, "/constraints?versioning=", "", versioning("Enabled"), versioning("On"),
				"<Code>MalformedXML</Code><Message>The XML you provided was not well-formed or did not validate against our published schema</Message>",
			},
			{"s3", http.MethodPut, "/constraints/file", "open", "text", "text", "<Code>InvalidArgument</Code>"},
		} {
			headers := map[string]string{}
			if status, content := e.send(t, test.service, test.method, test.path, headers, test.accepted); status/100 != 2 {
				t.Errorf("%s %s %s: %d %s", test.method, test.path, test.accepted, status, content)
			}
			if test.acl != "" {
				headers["X-Amz-Acl"] = test.acl
			}
			status, content := e.send(t, test.service, test.method, test.path, headers, test.violating)
			if status != http.StatusBadRequest || !strings.Contains(string(content), test.refusal) {
				t.Errorf("%s %s %s: %d %s", test.method, test.path, test.violating, status, content)
			}
		}
	})
}

func TestConstraintsPython(t *testing.T) {
	t.Parallel()
	check(t, harness.OpenSources())
	command := exec.CommandContext(t.Context(), filepath.Join(harness.Root, ".venv", "bin", "python"), "-B", "-m", "unittest", "constraints_test")
	command.Dir = filepath.Join(harness.Root, "local", "ministack")
	command.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\nOK") {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}
