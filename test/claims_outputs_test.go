package test

import (
	"maps"
	"slices"
	"testing"
)

// output is an output of the stack.
func (s stack) output(t *testing.T, name string) resource {
	t.Helper()
	outputs, _ := s.body["output"].(map[string]any)
	found, ok := outputs[name].(map[string]any)
	if !ok {
		t.Fatalf("%s has no output %s", s.name, name)
	}
	return found
}

func TestEveryOutputSaysWhatItIs(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		outputs, _ := s.body["output"].(map[string]any)
		if len(outputs) == 0 {
			t.Fatal("no outputs")
		}
		for name := range outputs {
			if s.output(t, name).text("description") == "" {
				t.Errorf("%s has no description", name)
			}
		}
	})
}

func TestOutputsAreWhatAReleaseAndAnOperatorNeed(t *testing.T) {
	s := production(t)
	for name, want := range map[string]string{
		"site_url":                "https://" + ref("aws_cloudfront_distribution.frontend_distribution", "domain_name"),
		"load_balancer_dns_name":  ref("aws_lb.load_balancer", "dns_name"),
		"distribution_id":         ref("aws_cloudfront_distribution.frontend_distribution", "id"),
		"frontend_bucket":         ref("aws_s3_bucket.frontend", "bucket"),
		"ecr_repository_url":      ref("aws_ecr_repository.backend_images", "repository_url"),
		"auto_scaling_group_name": ref("aws_autoscaling_group.backend", "name"),
		"release_parameter":       ref("aws_ssm_parameter.release", "name"),
		"parameter_path":          "/starttech/production/backend/",
		"backend_log_group":       ref("aws_cloudwatch_log_group.backend_logs", "name"),
		"access_log_group":        ref("aws_cloudwatch_log_group.access_logs", "name"),
		"redis_endpoint":          ref("aws_elasticache_replication_group.redis", "primary_endpoint_address") + ":6379",
		"alarm_topic_arn":         ref("aws_sns_topic.alarms", "arn"),
		"dashboard_url": "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/" +
			ref("aws_cloudwatch_dashboard.dashboard", "dashboard_name"),
	} {
		s.output(t, name).want(t, want, "value")
	}
}

func TestBootstrapTellsWhereTheStateIs(t *testing.T) {
	s := variant(t, "bootstrap")
	s.output(t, "state_bucket").want(t, ref("aws_s3_bucket.state", "bucket"), "value")
	s.output(t, "lock_table").want(t, ref("aws_dynamodb_table.state_lock", "name"), "value")
}

func TestEveryEnvironmentHasTheSameOutputs(t *testing.T) {
	// A release reads them by name, whichever environment it is for.
	names := func(s stack) []string {
		return slices.Sorted(maps.Keys(s.body["output"].(map[string]any)))
	}
	onEveryEnvironment(t, func(t *testing.T, s stack) { equal(t, "outputs", names(s), names(production(t))) })
}

func TestTheReaderFindsNoOutputHidden(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		// Nothing in Terraform is secret here; an output that has to be hidden would be one.
		for name := range s.body["output"].(map[string]any) {
			s.output(t, name).want(t, nil, "sensitive")
		}
	})
}
