package githubroles

import "github.com/starttech/infrastructure/internal/policy"

// boundary is the most that a role of an environment can ever be allowed, whatever its own policies say: what instances,
// flow logs and releases need, in any environment
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html).
func boundary(here place) []policy.Statement {
	return []policy.Statement{{
		Sid:    "Images",
		Effect: policy.Allow,
		Action: []string{
			"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
			"ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
		},
		Resource: []string{here.arn("ecr", "repository/"+name("*"))},
	}, {
		Sid:      "Parameters",
		Effect:   policy.Allow,
		Action:   []string{"ssm:GetParameter", "ssm:GetParametersByPath", "ssm:PutParameter"},
		Resource: []string{here.arn("ssm", "parameter"+path("*"))},
	}, {
		Sid:       "SecureParameters", // their values are encrypted by the key aws/ssm
		Effect:    policy.Allow,
		Action:    []string{"kms:Decrypt"},
		Resource:  []string{here.arn("kms", "key/*")},
		Condition: policy.Condition{"StringEquals": {"kms:ViaService": {"ssm." + here.region + ".amazonaws.com"}}},
	}, {
		Sid:      "Logs",
		Effect:   policy.Allow,
		Action:   []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
		Resource: []string{here.arn("logs", "log-group:"+path("*"))},
	}, {
		Sid:      "Files",
		Effect:   policy.Allow,
		Action:   []string{"s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"},
		Resource: []string{frontendBuckets(here), frontendBuckets(here) + "/*"},
	}, {
		Sid:      "Invalidations",
		Effect:   policy.Allow,
		Action:   []string{"cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"},
		Resource: []string{here.global("cloudfront", "distribution/*")},
	}, {
		Sid:      "InstanceRefreshes",
		Effect:   policy.Allow,
		Action:   []string{"autoscaling:CancelInstanceRefresh", "autoscaling:StartInstanceRefresh"},
		Resource: []string{autoScalingGroups(here)},
	}, {
		Sid:    "WithoutResources", // actions that know none
		Effect: policy.Allow,
		Action: []string{
			"autoscaling:DescribeInstanceRefreshes",
			"ecr:GetAuthorizationToken",
			"ssm:UpdateInstanceInformation",
			"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
			"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
		},
		Resource: []string{"*"},
	}}
}
