package githubroles

import "github.com/starttech/infrastructure/internal/policy"

// data is Redis, the images, and the release parameter. It does not include the parameters with the backend's secrets.
func data(a account, c Config) part {
	var (
		redis = []string{
			a.arn("elasticache", "cluster:"+prefixed("*")), a.arn("elasticache", "replicationgroup:"+prefixed("*")),
			a.arn("elasticache", "subnetgroup:"+prefixed("*")),
		}
		repositories      = a.arn("ecr", "repository/"+prefixed("*"))
		releaseParameters []string // by name: a * would also match /starttech/production/backend/release
	)
	for _, environment := range c.Environments {
		releaseParameters = append(releaseParameters, a.arn("ssm", "parameter"+environment.PathPrefix()+"/release"))
	}
	return part{
		id:           "data",
		planUnscoped: []string{"ssm:DescribeParameters"},
		plan: []policy.Statement{{
			Sid:    "ReadElastiCache",
			Effect: policy.Allow,
			Action: []string{
				"elasticache:DescribeCacheClusters", "elasticache:DescribeCacheSubnetGroups", "elasticache:DescribeReplicationGroups",
				"elasticache:ListTagsForResource",
			},
			Resource: redis,
		}, {
			Sid:      "ReadECR",
			Effect:   policy.Allow,
			Action:   []string{"ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:ListTagsForResource"},
			Resource: []string{repositories},
		}, {
			Sid:      "ReadParameters",
			Effect:   policy.Allow,
			Action:   []string{"ssm:GetParameter", "ssm:ListTagsForResource"},
			Resource: append([]string{"arn:aws:ssm:" + a.region + "::parameter/aws/service/ami-amazon-linux-latest/*"}, releaseParameters...),
		}},
		deploy: []policy.Statement{{
			Sid:    "ManageElastiCache",
			Effect: policy.Allow,
			Action: []string{
				"elasticache:AddTagsToResource", "elasticache:CreateCacheSubnetGroup", "elasticache:CreateReplicationGroup",
				"elasticache:DecreaseReplicaCount", "elasticache:DeleteCacheSubnetGroup",
				"elasticache:DeleteReplicationGroup", "elasticache:IncreaseReplicaCount", "elasticache:ModifyCacheSubnetGroup",
				"elasticache:ModifyReplicationGroup", "elasticache:RemoveTagsFromResource",
			},
			Resource: append(redis, a.arn("elasticache", "parametergroup:default.*")),
		}, {
			Sid:    "ManageECR",
			Effect: policy.Allow,
			Action: []string{
				"ecr:CreateRepository", "ecr:DeleteLifecyclePolicy", "ecr:DeleteRepository",
				"ecr:PutImageScanningConfiguration", "ecr:PutImageTagMutability", "ecr:PutLifecyclePolicy", "ecr:TagResource", "ecr:UntagResource",
			},
			Resource: []string{repositories},
		}, {
			Sid:      "ManageReleaseParameter",
			Effect:   policy.Allow,
			Action:   []string{"ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:PutParameter", "ssm:RemoveTagsFromResource"},
			Resource: releaseParameters,
		}},
		instanceUnscoped: []string{"ecr:GetAuthorizationToken"},
		instance: []policy.Statement{{
			Sid:      "PullImages",
			Effect:   policy.Allow,
			Action:   []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
			Resource: []string{repositories},
		}, {
			// With the credentials of an instance profile, which only an instance has
			// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-ec2-source-instance-arn).
			Sid:       "ReadParametersFromInstance",
			Effect:    policy.Allow,
			Action:    []string{"ssm:GetParameter", "ssm:GetParametersByPath"},
			Resource:  []string{a.arn("ssm", "parameter"+pathPrefixed("*"))},
			Condition: policy.Condition{"ArnLike": {"ec2:SourceInstanceARN": {a.arn("ec2", "instance/*")}}},
		}, {
			Sid:       "DecryptParameters", // their values are encrypted by the key aws/ssm
			Effect:    policy.Allow,
			Action:    []string{"kms:Decrypt"},
			Resource:  []string{a.arn("kms", "key/*")},
			Condition: policy.Condition{"StringEquals": {"kms:ViaService": {"ssm." + a.region + ".amazonaws.com"}}},
		}},
		deliveryUnscoped: []string{"ecr:GetAuthorizationToken"},
		delivery: []policy.Statement{{
			Sid:    "PushImages",
			Effect: policy.Allow,
			Action: []string{
				"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImageScanFindings",
				"ecr:DescribeImages", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
			},
			Resource: []string{repositories},
		}, {
			Sid:      "ReleaseParameters",
			Effect:   policy.Allow,
			Action:   []string{"ssm:GetParameter", "ssm:PutParameter"},
			Resource: releaseParameters,
		}},
	}
}
