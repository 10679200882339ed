package claims

import (
	"maps"
	"slices"
	"testing"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/github"
)

func outputNames(s stack) []string {
	outputs, _ := s.Body["output"].(map[string]any)
	return slices.Sorted(maps.Keys(outputs))
}

func TestEveryOutputHasADescriptionAndIsNotSensitive(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		if len(outputNames(s)) == 0 {
			t.Error("there are no outputs")
		}
		for _, name := range outputNames(s) {
			if s.Output(t, name).Text("description") == "" {
				t.Errorf("%s has no description", name)
			}
			s.Output(t, name).Want(t, nil, "sensitive") // Terraform has no secret here
		}
	})
}

func TestOutputsAreWhatAReleaseAndAnOperatorNeed(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		site := ref(distribution, "domain_name")
		if e.Domain != nil {
			site = e.Domain.Name
		}
		want := map[string]any{
			"site_url":                "https://" + site,
			"load_balancer_dns_name":  ref(loadBalancer(s), "dns_name"),
			"distribution_id":         ref(distribution, "id"),
			"frontend_bucket":         ref("aws_s3_bucket.frontend", "bucket"),
			"ecr_repository_url":      ref("aws_ecr_repository.backend_images", "repository_url"),
			"auto_scaling_group_name": ref("aws_autoscaling_group.backend", "name"),
			"release_parameter":       ref("aws_ssm_parameter.release", "name"),
			"release_role_arn":        ref("aws_iam_role.release_role", "arn"),
			"aws_region":              e.Region,
			"parameter_path":          e.PathPrefix() + "/backend/",
			"backend_log_group":       ref("aws_cloudwatch_log_group.backend_logs", "name"),
			"access_log_group":        ref("aws_cloudwatch_log_group.access_logs", "name"),
			"redis_endpoint":          ref("aws_elasticache_replication_group.redis", "primary_endpoint_address") + ":6379",
			"alarm_topic_arn":         ref("aws_sns_topic.alarms", "arn"),
			"dashboard_url": "https://" + e.Region + ".console.aws.amazon.com/cloudwatch/home?region=" + e.Region + "#dashboards/dashboard/" +
				ref("aws_cloudwatch_dashboard.dashboard", "dashboard_name"),
		}
		if database(s).PrivateLink != nil {
			want["database_endpoint_id"] = ref("aws_vpc_endpoint.database_endpoint", "id")
		}
		for name, value := range want {
			s.Output(t, name).Want(t, value, "value")
		}
		// A release reads them by name, in any environment. nat_public_ips is a list: TestEveryNATGatewayHasAPublicIPThatIsAnOutput.
		equalSets(t, "outputs", outputNames(s), append(slices.Collect(maps.Keys(want)), "nat_public_ips"))
		for _, published := range github.PublishedOutputs {
			s.Output(t, published.Output)
		}
	})
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		for name, value := range map[string]string{
			"state_bucket":    ref("aws_s3_bucket.state", "bucket"),
			"lock_table":      ref("aws_dynamodb_table.state_lock", "name"),
			"plan_role_arn":   ref("aws_iam_role.plan_role", "arn"),
			"deploy_role_arn": ref("aws_iam_role.deploy_role", "arn"),
			"review_role_arn": ref("aws_iam_role.review_role", "arn"),
		} {
			s.Output(t, name).Want(t, value, "value")
		}
		for _, e := range s.Environments() {
			if e.Domain != nil && e.Domain.CreateZone {
				s.Output(t, config.NameServersOutput(e.Name)).Want(t, ref("aws_route53_zone.zone_"+config.IDSafe(e.Name), "name_servers"), "value")
			}
		}
	})
}
