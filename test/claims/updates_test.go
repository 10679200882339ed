package claims

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// updates is what the provider calls to update a resource in place, if a key of the environment file or a value in this code
// changes: by type of resource, without the calls for tags and those that create it. A type without calls is replaced instead.
// Source: the functions resource...Update in
// https://github.com/hashicorp/terraform-provider-aws/tree/v5.100.0/internal/service.
var updates = map[string][]string{
	"aws_acm_certificate":            nil,
	"aws_acm_certificate_validation": nil,
	"aws_autoscaling_group": {
		"autoscaling:AttachLoadBalancerTargetGroups", "autoscaling:CancelInstanceRefresh", "autoscaling:DetachLoadBalancerTargetGroups",
		"autoscaling:DisableMetricsCollection", "autoscaling:EnableMetricsCollection", "autoscaling:StartInstanceRefresh",
		"autoscaling:UpdateAutoScalingGroup",
	},
	"aws_autoscaling_policy":                             {"autoscaling:PutScalingPolicy"},
	"aws_cloudfront_cache_policy":                        {"cloudfront:UpdateCachePolicy"},
	"aws_cloudfront_distribution":                        {"cloudfront:UpdateDistribution"},
	"aws_cloudfront_function":                            {"cloudfront:PublishFunction", "cloudfront:UpdateFunction"},
	"aws_cloudfront_origin_access_control":               {"cloudfront:UpdateOriginAccessControl"},
	"aws_cloudfront_origin_access_identity":              {"cloudfront:UpdateCloudFrontOriginAccessIdentity"},
	"aws_cloudfront_response_headers_policy":             {"cloudfront:UpdateResponseHeadersPolicy"},
	"aws_cloudwatch_dashboard":                           {"cloudwatch:PutDashboard"},
	"aws_cloudwatch_log_delivery":                        {"logs:UpdateDeliveryConfiguration"},
	"aws_cloudwatch_log_delivery_destination":            {"logs:PutDeliveryDestination"},
	"aws_cloudwatch_log_delivery_source":                 {"logs:PutDeliverySource"},
	"aws_cloudwatch_log_group":                           {"logs:PutRetentionPolicy"},
	"aws_cloudwatch_log_resource_policy":                 {"logs:PutResourcePolicy"},
	"aws_cloudwatch_metric_alarm":                        {"cloudwatch:PutMetricAlarm"},
	"aws_cloudwatch_query_definition":                    {"logs:PutQueryDefinition"},
	"aws_default_security_group":                         {"ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"},
	"aws_ecr_lifecycle_policy":                           nil,
	"aws_ecr_repository":                                 {"ecr:PutImageScanningConfiguration", "ecr:PutImageTagMutability"},
	"aws_eip":                                            {"ec2:DisassociateAddress"},
	"aws_elasticache_replication_group":                  {"elasticache:DecreaseReplicaCount", "elasticache:IncreaseReplicaCount", "elasticache:ModifyReplicationGroup"},
	"aws_elasticache_subnet_group":                       {"elasticache:ModifyCacheSubnetGroup"},
	"aws_flow_log":                                       nil,
	"aws_iam_instance_profile":                           {"iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile"},
	"aws_iam_role":                                       {"iam:PutRolePermissionsBoundary", "iam:UpdateAssumeRolePolicy", "iam:UpdateRoleDescription"},
	"aws_iam_role_policy":                                {"iam:PutRolePolicy"},
	"aws_internet_gateway":                               {"ec2:AttachInternetGateway", "ec2:DetachInternetGateway"},
	"aws_kms_alias":                                      {"kms:UpdateAlias"},
	"aws_kms_key":                                        {"kms:DisableKeyRotation", "kms:EnableKeyRotation", "kms:PutKeyPolicy", "kms:UpdateKeyDescription"},
	"aws_launch_template":                                {"ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"},
	"aws_lb":                                             {"elasticloadbalancing:ModifyLoadBalancerAttributes", "elasticloadbalancing:SetSecurityGroups", "elasticloadbalancing:SetSubnets"},
	"aws_lb_listener":                                    {"elasticloadbalancing:ModifyListener"},
	"aws_lb_target_group":                                {"elasticloadbalancing:ModifyTargetGroup", "elasticloadbalancing:ModifyTargetGroupAttributes"},
	"aws_nat_gateway":                                    nil,
	"aws_route":                                          {"ec2:ReplaceRoute"},
	"aws_route53_record":                                 {"route53:ChangeResourceRecordSets"},
	"aws_route_table":                                    nil,
	"aws_route_table_association":                        {"ec2:ReplaceRouteTableAssociation"},
	"aws_s3_bucket":                                      nil,
	"aws_s3_bucket_lifecycle_configuration":              {"s3:PutLifecycleConfiguration"},
	"aws_s3_bucket_ownership_controls":                   {"s3:PutBucketOwnershipControls"},
	"aws_s3_bucket_policy":                               {"s3:PutBucketPolicy"},
	"aws_s3_bucket_public_access_block":                  {"s3:PutBucketPublicAccessBlock"},
	"aws_s3_bucket_server_side_encryption_configuration": {"s3:PutEncryptionConfiguration"},
	"aws_s3_bucket_versioning":                           {"s3:PutBucketVersioning"},
	"aws_s3_bucket_website_configuration":                {"s3:PutBucketWebsite"},
	"aws_security_group":                                 nil,
	"aws_sns_topic":                                      {"sns:SetTopicAttributes"},
	"aws_sns_topic_policy":                               {"sns:SetTopicAttributes"},
	"aws_sns_topic_subscription":                         nil,
	"aws_ssm_parameter":                                  {"ssm:PutParameter"},
	"aws_subnet":                                         {"ec2:ModifySubnetAttribute"},
	"aws_vpc":                                            {"ec2:ModifyVpcAttribute"},
	"aws_vpc_endpoint":                                   {"ec2:ModifyVpcEndpoint"},
	"aws_vpc_security_group_egress_rule":                 {"ec2:ModifySecurityGroupRules"},
	"aws_vpc_security_group_ingress_rule":                {"ec2:ModifySecurityGroupRules"},
}

func TestADeployMayUpdateEveryResource(t *testing.T) {
	types := map[string]bool{}
	for _, s := range harness.Variants(t).Stacks {
		if s.IsBootstrap() {
			continue // an administrator deploys it
		}
		for address := range s.Resources() {
			if kind, _, _ := strings.Cut(address, "."); kind != "data" {
				types[kind] = true
			}
		}
	}
	equalSets(t, "types of resources", slices.Collect(maps.Keys(types)), slices.Collect(maps.Keys(updates)))

	allowed := harness.Actions(variant(t, "bootstrap").AttachedStatements(t, "aws_iam_role.deploy_role"))
	for kind, actions := range updates {
		for _, action := range actions {
			if !slices.Contains(allowed, action) {
				t.Errorf("a deploy may not call %s, which updates %s", action, kind)
			}
		}
	}
}
