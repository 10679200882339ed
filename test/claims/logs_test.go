package claims

import "testing"

func TestLogGroupsHaveTheDocumentsNamesAndTheFilesRetention(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		want := map[string]any{}
		for _, name := range []string{"/backend", "/alb/access", "/vpc/flow"} {
			if name != "/vpc/flow" || e.Network.FlowLogs {
				want["/starttech/"+e.Name+name] = float64(e.Monitoring.LogRetentionDays)
			}
		}
		got := map[string]any{}
		for _, group := range s.OfType("aws_cloudwatch_log_group") {
			got[group.Text("name")] = group.Get("retention_in_days")
		}
		equal(t, "log groups", got, want)
	})
}

func TestTheLoadBalancersAccessLogsAreDeliveredToTheirGroup(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		_, delivery := s.Only(t, "aws_cloudwatch_log_delivery")

		source := s.Resource(t, addressOf(delivery.Text("delivery_source_name")))
		source.Want(t, "ALB_ACCESS_LOGS", "log_type")
		source.Want(t, ref(loadBalancer(s), "arn"), "resource_arn")

		destination := s.Resource(t, addressOf(delivery.Text("delivery_destination_arn")))
		destination.Want(t, "json", "output_format")
		group := addressOf(destination.Text("delivery_destination_configuration", 0, "destination_resource_arn"))
		s.Resource(t, group).Want(t, e.PathPrefix()+"/alb/access", "name")

		// Without this permission, AWS accepts the delivery and the group stays empty.
		permission, policy := s.Only(t, "aws_cloudwatch_log_resource_policy")
		equal(t, "the delivery waits for", delivery.Strings("depends_on"), []string{permission})
		equal(t, "permission", policy.Statements(t, "policy_document"), []statement{{
			Sid:       "AllowLogDelivery",
			Effect:    "Allow",
			Principal: map[string][]string{"Service": {"delivery.logs.amazonaws.com"}},
			Action:    []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			Resource:  []string{ref(group, "arn") + ":log-stream:*"},
			Condition: map[string]map[string][]string{
				"StringEquals": {"aws:SourceAccount": {e.Account}},
				"ArnLike":      {"aws:SourceArn": {"arn:aws:logs:" + e.Region + ":" + e.Account + ":*"}},
			},
		}})
	})
}
