package claims

import (
	"slices"
	"strings"
	"testing"
)

func TestLogGroupsHaveTheDocumentsNamesAndTheFilesRetention(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		want := map[string]any{}
		for _, name := range []string{"/backend", "/alb/access", "/vpc/flow"} {
			if name != "/vpc/flow" || e.Network.FlowLogs {
				want["/starttech/"+e.Name+name] = float64(e.Monitoring.LogRetentionDays)
			}
		}
		if e.Frontend.AccessLogs {
			want["/starttech/"+e.Name+"/cloudfront/access"] = float64(e.Monitoring.LogRetentionDays)
		}
		if e.Secrets != nil {
			want["/starttech/"+e.Name+"/rotation"] = float64(e.Monitoring.LogRetentionDays)
		}
		if e.Firewall != nil && e.Firewall.Logs != nil {
			for _, name := range []string{"-edge", "-origin"} {
				want["aws-waf-logs-"+e.NamePrefix()+name] = float64(e.Firewall.Logs.RetentionDays)
			}
		}
		got := map[string]any{}
		for _, group := range s.OfType("aws_cloudwatch_log_group") {
			got[group.Text("name")] = group.Get("retention_in_days")
		}
		equal(t, "log groups", got, want)
	})
}

func TestAccessLogsAreDeliveredToTheirGroup(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		checkDelivery(t, s, "access_logs", "ALB_ACCESS_LOGS", loadBalancer(s), e.PathPrefix()+"/alb/access", e.Region, nil)
		want := 1
		if e.Frontend.AccessLogs {
			want = 2
			checkDelivery(t, s, "cloudfront_logs", "ACCESS_LOGS", distribution, e.PathPrefix()+"/cloudfront/access", "us-east-1", "aws.us_east_1")
		}
		equal(t, "deliveries", len(s.OfType("aws_cloudwatch_log_delivery")), want)
		if e.Firewall != nil && e.Firewall.Logs != nil {
			want += 2 // TestTheLogsOfTheFirewallGoToTheirGroups
		}
		equal(t, "permissions", len(s.OfType("aws_cloudwatch_log_resource_policy")), want)
	})
}

// checkDelivery claims that the logs of a resource are delivered to a group. provider is nil for the environment's region.
func checkDelivery(t *testing.T, s stack, id, kind, of, name, region string, provider any) {
	t.Helper()
	delivery := s.Resource(t, "aws_cloudwatch_log_delivery."+id+"_delivery")
	source := s.Resource(t, addressOf(delivery.Text("delivery_source_name")))
	source.Want(t, kind, "log_type")
	source.Want(t, ref(of, "arn"), "resource_arn")

	destination := s.Resource(t, addressOf(delivery.Text("delivery_destination_arn")))
	destination.Want(t, "json", "output_format")
	address := addressOf(destination.Text("delivery_destination_configuration", 0, "destination_resource_arn"))
	group := s.Resource(t, address)
	group.Want(t, name, "name")

	// Without this permission, AWS accepts the delivery and the group stays empty.
	permission := "aws_cloudwatch_log_resource_policy." + id + "_policy"
	policy := s.Resource(t, permission)
	equal(t, "the delivery waits for", delivery.Strings("depends_on"), []string{permission})
	equal(t, "permission", policy.Statements(t, "policy_document"), []statement{{
		Sid:       "AllowLogDelivery",
		Effect:    "Allow",
		Principal: map[string][]string{"Service": {"delivery.logs.amazonaws.com"}},
		Action:    []string{"logs:CreateLogStream", "logs:PutLogEvents"},
		Resource:  []string{ref(address, "arn") + ":log-stream:*"},
		Condition: map[string]map[string][]string{
			"StringEquals": {"aws:SourceAccount": {s.Environment().Account}},
			"ArnLike":      {"aws:SourceArn": {"arn:aws:logs:" + region + ":" + s.Environment().Account + ":*"}},
		},
	}})
	for _, r := range []resource{delivery, source, destination, group, policy} {
		r.Want(t, provider, "provider")
	}
}

// The session is in a cookie.
func TestNoCookieIsInTheAccessLogsOfCloudFront(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		if !s.Environment().Frontend.AccessLogs {
			return
		}
		fields := s.Resource(t, "aws_cloudwatch_log_delivery.cloudfront_logs_delivery").Strings("record_fields")
		if len(fields) == 0 || slices.Contains(fields, "cs(Cookie)") { // without a list, AWS has its own
			t.Errorf("the fields are %q", fields)
		}
	})
}

// A query of an optional log exists only with the log.
func TestSavedQueriesAreOfTheEnvironmentsLogs(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		backend, access := "aws_cloudwatch_log_group.backend_logs", "aws_cloudwatch_log_group.access_logs"
		want := map[string]string{"backend-errors": backend, "boot-failures": backend, "server-errors": access, "slow-requests": access}
		if e.Network.FlowLogs {
			want["rejected-connections"] = "aws_cloudwatch_log_group.flow_logs_group"
		}
		if e.Frontend.AccessLogs {
			want["viewer-errors"] = "aws_cloudwatch_log_group.cloudfront_logs"
		}
		if e.Firewall != nil && e.Firewall.Logs != nil {
			want["blocked-requests-edge"] = "aws_cloudwatch_log_group.edge_firewall_logs"
			want["blocked-requests-origin"] = "aws_cloudwatch_log_group.origin_firewall_logs"
		}
		got := map[string]string{}
		for address, query := range s.OfType("aws_cloudwatch_query_definition") {
			name, ok := strings.CutPrefix(query.Text("name"), "starttech-"+e.Name+"/")
			if !ok {
				t.Errorf("%s has the name %q", address, query.Text("name"))
			}
			group := addressOf(query.Strings("log_group_names")[0])
			got[name] = group
			query.Want(t, s.Resource(t, group).Get("provider"), "provider") // a query reads groups of its own region
		}
		equal(t, "saved queries and their log groups", got, want)
	})
}
