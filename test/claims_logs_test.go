package test

import "testing"

func TestTheLogGroupsAreTheDocumentsAndKeptAsLongAsTheFileSays(t *testing.T) {
	for name, want := range map[string]map[string]float64{
		"production": {"/starttech/production/backend": 30, "/starttech/production/alb/access": 30, "/starttech/production/vpc/flow": 30},
		"staging":    {"/starttech/staging/backend": 7, "/starttech/staging/alb/access": 7, "/starttech/staging/vpc/flow": 7},
		"open":       {"/starttech/open/backend": 30, "/starttech/open/alb/access": 30},
	} {
		got := map[string]float64{}
		for _, group := range variant(t, name).ofType("aws_cloudwatch_log_group") {
			got[group.text("name")], _ = group.get("retention_in_days").(float64)
		}
		equal(t, "log groups of "+name, got, want)
	}
}

func TestTheLoadBalancersAccessLogsArriveInTheirGroup(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, delivery := s.only(t, "aws_cloudwatch_log_delivery")

		source := s.resource(t, addressOf(delivery.text("delivery_source_name")))
		source.want(t, "ALB_ACCESS_LOGS", "log_type")
		source.want(t, ref("aws_lb.load_balancer", "arn"), "resource_arn")

		destination := s.resource(t, addressOf(delivery.text("delivery_destination_arn")))
		group := addressOf(destination.text("delivery_destination_configuration", 0, "destination_resource_arn"))
		s.resource(t, group).want(t, "/starttech/"+s.name+"/alb/access", "name")

		// Without the permission, the delivery is accepted and the group stays empty.
		permission, policy := s.only(t, "aws_cloudwatch_log_resource_policy")
		equal(t, "the delivery comes after", delivery.strings("depends_on"), []string{permission})
		equal(t, "permission", policy.statements(t, "policy_document"), []statement{{
			Sid:       "AllowLogDelivery",
			Effect:    "Allow",
			Principal: map[string][]string{"Service": {"delivery.logs.amazonaws.com"}},
			Action:    []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			Resource:  []string{ref(group, "arn") + ":log-stream:*"},
			Condition: map[string]map[string][]string{
				"StringEquals": {"aws:SourceAccount": {"123456789012"}},
				"ArnLike":      {"aws:SourceArn": {"arn:aws:logs:eu-west-1:123456789012:*"}},
			},
		}})
	})
}
