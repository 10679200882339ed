package operate

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	autoscalingtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/internal/review"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// reviewed is an environment made by hand, and what its faults are corrected with.
type reviewed struct {
	open     func() *operate.Environment
	backend  string // security group that is open to the world
	unused   string // security group
	template string
	image    string // AWS's newest
	topic    string
}

func newReviewed(t *testing.T) reviewed {
	t.Helper()
	ctx, r := t.Context(), reviewed{}
	network := ec2.NewFromConfig(settings(t))
	// The local AWS returns its default VPC for every load balancer.
	answer, err := network.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{{Name: aws.String("default-for-az"), Values: []string{"true"}}}})
	var subnets []string
	for _, subnet := range harness.Must(t, answer, err).Subnets {
		subnets = append(subnets, *subnet.SubnetId)
	}
	id := answer.Subnets[0].VpcId
	newGroup := func(name string, port int32) string {
		created, err := network.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: &name, VpcId: id})
		id := harness.Must(t, created, err).GroupId
		if port != 0 {
			allowed, err := network.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: id, IpPermissions: openTo(port)})
			harness.Must(t, allowed, err)
		}
		return *id
	}
	balancers := newGroup("load-balancer", 80)
	r.backend, r.unused = newGroup("backend", 22), newGroup("unused", 0)
	used, err := network.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: &subnets[0], Groups: []string{balancers, r.backend}})
	harness.Must(t, used, err)

	balancer, err := elasticloadbalancingv2.NewFromConfig(settings(t)).CreateLoadBalancer(ctx, &elasticloadbalancingv2.CreateLoadBalancerInput{
		Name: aws.String("starttech-staging"), Subnets: subnets, SecurityGroups: []string{balancers}, Scheme: elbtypes.LoadBalancerSchemeEnumInternetFacing,
	})
	name := harness.Must(t, balancer, err).LoadBalancers[0].DNSName

	parameters := ssm.NewFromConfig(settings(t))
	newest, err := parameters.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(config.Default().Backend.ImageParameter())})
	r.image = *harness.Must(t, newest, err).Parameter.Value
	put, err := parameters.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String(parameter), Value: aws.String(operate.NoRelease), Type: ssmtypes.ParameterTypeString})
	harness.Must(t, put, err)
	template, err := network.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String(group), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: aws.String("ami-00000000000000001")},
	})
	r.template = *harness.Must(t, template, err).LaunchTemplate.LaunchTemplateId
	r.useTemplate(t, "1")

	topic, err := sns.NewFromConfig(settings(t)).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("starttech-staging-alarms")})
	r.topic = *harness.Must(t, topic, err).TopicArn
	putAlarm(t, "high-cpu", r.topic)
	putAlarm(t, "high-error-rate")

	redis, err := elasticache.NewFromConfig(settings(t)).CreateReplicationGroup(ctx, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("starttech-staging-redis"), ReplicationGroupDescription: aws.String("test"), Engine: aws.String("redis"), CacheNodeType: aws.String("cache.t3.micro"),
	})
	harness.Must(t, redis, err)
	for _, kind := range []string{"instance", "release", "flow-logs"} {
		createRole(t, "starttech-staging-"+kind)
	}
	r.open = func() *operate.Environment {
		return open(t, operate.Outputs{
			"load_balancer_dns_name": *name, "auto_scaling_group_name": group, "release_parameter": parameter, "ecr_repository_url": "x/starttech-staging-backend",
		})
	}
	return r
}

// useTemplate makes the Auto Scaling group use a version of the launch template.
func (r reviewed) useTemplate(t *testing.T, version string) {
	t.Helper()
	template := &autoscalingtypes.LaunchTemplateSpecification{LaunchTemplateId: &r.template, Version: &version}
	client := autoscaling.NewFromConfig(settings(t))
	if version == "1" {
		created, err := client.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{
			AutoScalingGroupName: aws.String(group), MinSize: aws.Int32(0), MaxSize: aws.Int32(0), LaunchTemplate: template, AvailabilityZones: []string{region + "a"},
		})
		harness.Must(t, created, err)
		return
	}
	updated, err := client.UpdateAutoScalingGroup(t.Context(), &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: aws.String(group), LaunchTemplate: template})
	harness.Must(t, updated, err)
}

func openTo(port int32) []ec2types.IpPermission {
	return []ec2types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}
}

func putAlarm(t *testing.T, name string, actions ...string) {
	t.Helper()
	put, err := cloudwatch.NewFromConfig(settings(t)).PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("starttech-staging-" + name), AlarmActions: actions, Namespace: aws.String("AWS/EC2"), MetricName: aws.String("CPUUtilization"),
		Statistic: cloudwatchtypes.StatisticAverage, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(80),
		ComparisonOperator: cloudwatchtypes.ComparisonOperatorGreaterThanThreshold,
	})
	harness.Must(t, put, err)
}

func createRole(t *testing.T, name string) {
	t.Helper()
	created, err := iam.NewFromConfig(settings(t)).CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName:                 &name,
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`),
	})
	harness.Must(t, created, err)
}

// correct corrects what the review finds.
func (r reviewed) correct(t *testing.T) {
	t.Helper()
	ctx, network := t.Context(), ec2.NewFromConfig(settings(t))
	revoked, err := network.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &r.backend, IpPermissions: openTo(22)})
	harness.Must(t, revoked, err)
	deleted, err := network.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &r.unused})
	harness.Must(t, deleted, err)
	version, err := network.CreateLaunchTemplateVersion(ctx, &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateId: &r.template, LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: &r.image},
	})
	harness.Must(t, version, err)
	r.useTemplate(t, "2")
	putAlarm(t, "high-error-rate", r.topic)
	subscribed, err := sns.NewFromConfig(settings(t)).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &r.topic, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + region + ":" + account + ":alarms"),
	})
	harness.Must(t, subscribed, err)
}

// attention returns what needs attention, as "check: text", without AWS's ids.
func attention(report review.Report, ids ...string) []string {
	var found []string
	for _, f := range report.Findings {
		if f.State == review.Attention {
			found = append(found, strings.NewReplacer(ids...).Replace(f.Check+": "+f.Text))
		}
	}
	return found
}

// noSnapshot is found always: the times of the local AWS's snapshots do not have AWS's format, so the tests create none.
const noSnapshot = "Redis snapshots: there is no snapshot"

// lacking is the actions of the role that the local AWS does not answer or, for CloudWatch, does not record, or that a new environment does not
// need, or that AWS requires beside another. The tests of internal/review call what the local AWS lacks on a server with prepared answers.
var lacking = []string{
	"cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData",
	"ce:GetReservationPurchaseRecommendation", "ce:GetSavingsPlansPurchaseRecommendation", "ecr:DescribeImageScanFindings",
	"elasticloadbalancing:DescribeListeners", "iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails",
	"inspector2:ListCoverage", "inspector2:ListFindings", "s3:GetObject", "s3:ListBucket",
}

// The review runs with the permissions of its role, which the local AWS enforces.
func TestReviewFindsUntilItIsCorrected(t *testing.T) {
	emulator := start(t, local.Options{})
	r := newReviewed(t)
	document := reviewPolicy(t)
	assume(t, document)

	first := review.Run(t.Context(), r.open(), false)
	harness.Equal(t, "findings", attention(first, r.backend, "SG1", r.unused, "SG2", r.image, "AMI"), []string{
		"open to the world: backend (SG1) allows tcp 22 from 0.0.0.0/0",
		"unused: unused (SG2) has no network interface",
		"AMI: instances use ami-00000000000000001 (AWS does not list it any more); the newest is AMI (AWS does not list it any more)",
		noSnapshot,
		"recipients: alarms without an action: high-error-rate",
		"recipients: 1 alarms notify starttech-staging-alarms, which has no confirmed subscription (0 pending)",
	})
	administer(t, emulator)
	r.correct(t)
	assume(t, document)
	second := review.Run(t.Context(), r.open(), false)
	harness.Equal(t, "findings when they are corrected", attention(second), []string{noSnapshot})
	for _, f := range slices.Concat(first.Findings, second.Findings) {
		if f.Failed {
			t.Errorf("%+v", f)
		}
	}

	administer(t, emulator)
	called := calledActions(t, emulator)
	harness.EqualSets(t, "actions that the role may and does not call", slices.DeleteFunc(allowedActions(t, document), func(action string) bool { return called[action] != nil }), lacking)
}

// A check that is denied names the action, and the others are made.
func TestReviewWithoutPermissionNamesTheAction(t *testing.T) {
	start(t, local.Options{})
	r := newReviewed(t)
	assume(t, strings.Replace(reviewPolicy(t), `"ec2:DescribeNetworkInterfaces",`, "", 1))
	report := review.Run(t.Context(), r.open(), false)
	harness.Equal(t, "failed checks", report.CountFailed(), 1)
	for _, f := range report.Findings {
		if f.Failed {
			harness.Equal(t, "check", f.Check, "unused")
			harness.Has(t, "finding", f.Text, "not checked: EC2 DescribeNetworkInterfaces: ", "ec2:DescribeNetworkInterfaces")
			harness.Has(t, "action", f.Action, "docs/permissions.md")
		}
	}
}

// With a domain and backups.
func TestReviewOfCertificatesAndBackups(t *testing.T) {
	start(t, local.Options{})
	r := newReviewed(t)
	site := newFrontend(t)
	certificate, err := acm.NewFromConfig(settings(t)).RequestCertificate(t.Context(), &acm.RequestCertificateInput{DomainName: aws.String("app.example.com"), ValidationMethod: "DNS"})
	harness.Must(t, certificate, err)
	balancers := elasticloadbalancingv2.NewFromConfig(settings(t))
	all, err := balancers.DescribeLoadBalancers(t.Context(), &elasticloadbalancingv2.DescribeLoadBalancersInput{})
	listener, err := balancers.CreateListener(t.Context(), &elasticloadbalancingv2.CreateListenerInput{
		LoadBalancerArn: harness.Must(t, all, err).LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(443), Protocol: elbtypes.ProtocolEnumHttps,
		Certificates:   []elbtypes.Certificate{{CertificateArn: certificate.CertificateArn}},
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: aws.String("404")}}},
	})
	harness.Must(t, listener, err)
	vault, err := backup.NewFromConfig(settings(t)).CreateBackupVault(t.Context(), &backup.CreateBackupVaultInput{BackupVaultName: aws.String(config.BackupVault)})
	harness.Must(t, vault, err)
	e := r.open()
	e.Outputs["distribution_id"], e.Outputs["frontend_bucket"] = site.Outputs["distribution_id"], bucket
	e.Domain = &config.Domain{Name: "app.example.com", CreateZone: true}
	e.Backup = &config.Backup{Schedule: "cron(0 2 * * ? *)"}
	var found []string
	for _, f := range review.Run(t.Context(), e, false).Findings {
		if f.Subject == "Certificates" || f.Subject == "Backups" {
			found = append(found, string(f.State)+" "+f.Check+": "+f.Text)
		}
	}
	const noBackup, noRestore = ": there is no backup", ": AWS Backup lists no completed restore"
	harness.Equal(t, "findings", found, []string{
		"ok expiry and renewal: app.example.com in " + region + " expires on " + time.Now().UTC().AddDate(0, 0, 365).Format(time.DateOnly) + ", in 364 days",
		"attention " + noSnapshot,
		"unknown Redis restore: ElastiCache does not record when a restore was last tried",
		"attention backup of " + config.StateBucket(account) + noBackup,
		"attention restore of " + config.StateBucket(account) + noRestore,
		"attention backup of " + bucket + noBackup,
		"attention restore of " + bucket + noRestore,
	})
}

// reviewPolicy is the policy of the role starttech-review in the snapshot, with the ARN of the state bucket.
func reviewPolicy(t *testing.T) string {
	t.Helper()
	var stack struct {
		Resource struct {
			Policies map[string]struct{ Policy string } `json:"aws_iam_policy"`
		}
	}
	harness.Must(t, 0, json.Unmarshal([]byte(harness.ReadFile(t, "test/testdata/snapshots/bootstrap.json")), &stack))
	return strings.ReplaceAll(stack.Resource.Policies["review_policy"].Policy, "${aws_s3_bucket.state.arn}", "arn:aws:s3:::"+config.StateBucket(account))
}

func allowedActions(t *testing.T, document string) []string {
	t.Helper()
	var parsed struct{ Statement []harness.Statement }
	harness.Must(t, 0, json.Unmarshal([]byte(document), &parsed))
	return harness.Actions(parsed.Statement)
}

// assume makes this process's AWS clients use the role starttech-review with a policy.
func assume(t *testing.T, document string) {
	t.Helper()
	const role = "starttech-review"
	client := iam.NewFromConfig(settings(t))
	if _, err := client.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String(role)}); err != nil {
		createRole(t, role)
	}
	put, err := client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String(role), PolicyName: aws.String("review"), PolicyDocument: &document})
	harness.Must(t, put, err)
	session, err := sts.NewFromConfig(settings(t)).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + account + ":role/" + role), RoleSessionName: aws.String("test"),
	})
	credentials := harness.Must(t, session, err).Credentials
	t.Setenv("AWS_ACCESS_KEY_ID", *credentials.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *credentials.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", *credentials.SessionToken)
}

// administer makes this process's AWS clients use the administrator's credentials again.
func administer(t *testing.T, emulator *local.AWS) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", emulator.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", emulator.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", "")
}

// calledActions is the actions that the review's role has called.
func calledActions(t *testing.T, emulator *local.AWS) map[string][]string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, emulator.Endpoint()+"/_local/calls", nil)
	harness.Must(t, request, err)
	request.SetBasicAuth(emulator.AccessKeyID, emulator.SecretAccessKey)
	response, err := http.DefaultClient.Do(request)
	defer harness.Must(t, response, err).Body.Close()
	calls := map[string]map[string][]string{}
	harness.Must(t, 0, json.NewDecoder(response.Body).Decode(&calls))
	return calls["starttech-review"]
}
