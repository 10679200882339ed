package githubroles

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrole"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
)

// newReview creates the role of the weekly review, which reads. It is not the plan role, which everybody who may push a branch can use: the
// review reads the findings of images, the use of permissions, and the account's costs.
func newReview(scope constructs.Construct, a account, c Config, dependsOn *[]cdktf.ITerraformDependable) *string {
	review := iamrole.NewIamRole(scope, jsii.String("review_role"), &iamrole.IamRoleConfig{
		Name:        jsii.String(prefixed("review")),
		Description: jsii.String("GitHub Actions of " + c.Repository + ": reviews the environments, on main"),
		AssumeRolePolicy: policy.AssumeRoleFromGitHub(c.Account, policy.Workflow{
			Repository:   c.Repository,
			RepositoryID: c.RepositoryID,
			Contexts:     []string{"ref:" + policy.MainBranch},
		}),
		DependsOn: dependsOn,
	})
	statements := newPolicy(scope, "review", reviewStatements(a, c))
	suppress.Finding(statements, "A review asks for reports of roles only, not of users, groups and policies", "RESOURCE_MISMATCH:ReadUseOfRoles")
	attach(scope, "review_review", review.Name(), statements.Arn())
	return review.Arn()
}

// reviewStatements is what starttech review calls (internal/review), and nothing else.
func reviewStatements(a account, c Config) []policy.Statement {
	var states, keys []string
	parameters := []string{"arn:aws:ssm:" + a.region + "::parameter/aws/service/ami-amazon-linux-latest/*"}
	for _, environment := range c.Environments {
		keys = append(keys, config.StateKey(environment.Name))
		states = append(states, *c.StateBucketARN+"/"+config.StateKey(environment.Name))
		parameters = append(parameters, a.arn("ssm", "parameter"+environment.PathPrefix()+"/release"))
	}
	unscoped := []string{
		"autoscaling:DescribeAutoScalingGroups",
		"ce:GetReservationPurchaseRecommendation", "ce:GetSavingsPlansPurchaseRecommendation",
		"cloudwatch:GetMetricData",
		"ec2:DescribeImages", "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups",
		"elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancers",
		"iam:GetServiceLastAccessedDetails",
		// For an account with enhanced scanning
		// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-iam.html).
		"inspector2:ListCoverage", "inspector2:ListFindings",
	}
	usEast1 := account{a.id, "us-east-1"} // CloudFront's certificates, and the alarms of its firewall
	alarms, topics := []string{a.arn("cloudwatch", "alarm:*")}, []string{a.arn("sns", prefixed("*"))}
	if c.anyHas(func(e config.Environment) bool { return e.Firewall != nil }) {
		alarms, topics = append(alarms, usEast1.arn("cloudwatch", "alarm:*")), append(topics, usEast1.arn("sns", prefixed("*")))
	}
	statements := []policy.Statement{{
		Sid:      "ReadStates",
		Effect:   policy.Allow,
		Action:   []string{"s3:GetObject"},
		Resource: states,
	}, {
		// Without it, S3 answers AccessDenied for a state that does not exist (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
		Sid:       "ListStates",
		Effect:    policy.Allow,
		Action:    []string{"s3:ListBucket"},
		Resource:  []string{*c.StateBucketARN},
		Condition: policy.Condition{"StringEquals": {"s3:prefix": keys}},
	}, {
		Sid:      "ReadParameters",
		Effect:   policy.Allow,
		Action:   []string{"ssm:GetParameter"},
		Resource: parameters,
	}, {
		Sid:      "ReadUseOfRoles",
		Effect:   policy.Allow,
		Action:   []string{"iam:GenerateServiceLastAccessedDetails", "iam:GetRole"},
		Resource: []string{a.globalARN("iam", "role/"+prefixed("*"))},
	}, {
		Sid:      "ReadImageScans",
		Effect:   policy.Allow,
		Action:   []string{"ecr:DescribeImageScanFindings"},
		Resource: []string{a.arn("ecr", "repository/"+prefixed("*"))},
	}, {
		Sid:    "ReadRedis",
		Effect: policy.Allow,
		Action: []string{"elasticache:DescribeReplicationGroups", "elasticache:DescribeSnapshots"},
		// The names of daily snapshots begin with automatic.
		Resource: []string{a.arn("elasticache", "replicationgroup:"+prefixed("*")), a.arn("elasticache", "snapshot:*")},
	}, {
		// AWS lists composite alarms to those only who may describe all
		// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html).
		Sid:      "ReadAlarms",
		Effect:   policy.Allow,
		Action:   []string{"cloudwatch:DescribeAlarms"},
		Resource: alarms,
	}, {
		Sid:      "ReadTopics",
		Effect:   policy.Allow,
		Action:   []string{"sns:GetTopicAttributes"},
		Resource: topics,
	}}
	if c.anyHas(func(e config.Environment) bool { return e.Domain != nil }) {
		statements = append(statements, policy.Statement{
			Sid:       "ReadCertificates",
			Effect:    policy.Allow,
			Action:    []string{"acm:DescribeCertificate"},
			Resource:  []string{a.arn("acm", "certificate/*"), usEast1.arn("acm", "certificate/*")},
			Condition: onProjectTag,
		}, policy.Statement{
			Sid:       "ReadDistributions",
			Effect:    policy.Allow,
			Action:    []string{"cloudfront:GetDistribution"},
			Resource:  []string{a.globalARN("cloudfront", "distribution/*")},
			Condition: onProjectTag,
		})
	}
	if c.anyHas(func(e config.Environment) bool { return e.Backup != nil }) {
		unscoped = append(unscoped, "backup:ListRestoreJobsByProtectedResource")
		statements = append(statements, policy.Statement{
			Sid:      "ReadBackups",
			Effect:   policy.Allow,
			Action:   []string{"backup:ListRecoveryPointsByBackupVault"},
			Resource: []string{a.arn("backup", "backup-vault:"+config.BackupVault)},
		})
	}
	return append(statements, noResourceLevelPermissions(unscoped))
}
