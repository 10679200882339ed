package claims

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
)

// tracingVariables are the container's, by which the SDKs find the agent. The network of the component's own file contains Docker's default bridge.
func tracingVariables(e config.Environment) []string {
	if e.Tracing == nil {
		return nil
	}
	agent := bridgeAddress(e)
	return []string{
		"OTEL_SERVICE_NAME=" + e.NamePrefix() + "-backend",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + agent + ":4318",
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
		"OTEL_METRICS_EXPORTER=none",
		"OTEL_LOGS_EXPORTER=none",
		"OTEL_PROPAGATORS=xray",
		"OTEL_TRACES_SAMPLER=xray",
		"OTEL_TRACES_SAMPLER_ARG=endpoint=http://" + agent + ":2000",
		"AWS_XRAY_DAEMON_ADDRESS=" + agent + ":2000",
		"AWS_XRAY_TRACING_NAME=" + e.NamePrefix() + "-backend",
	}
}

func bridgeAddress(e config.Environment) string {
	if strings.HasPrefix(e.Network.CIDR, "172.17.") {
		return "192.168.127.1"
	}
	return "172.17.0.1"
}

// agentOf is the agent's configuration in the boot script, whose references Terraform resolves first.
func agentOf(t *testing.T, s stack) (agent resource, isThere bool) {
	t.Helper()
	script := resource(s.Body).Text("locals", "boot_script")
	_, rest, isThere := strings.Cut(script, "\nAGENT_CONFIG='")
	text, _, _ := strings.Cut(rest, "'\n")
	if strings.Contains(script, "amazon-cloudwatch-agent") != isThere {
		t.Error("the script installs an agent without a configuration, or has a configuration without an agent")
	}
	if !isThere {
		return nil, false
	}
	if strings.Count(text, "${") != strings.Count(text, "$${aws:") {
		t.Errorf("Terraform takes a placeholder of the agent for a reference: %s", text)
	}
	if err := json.Unmarshal([]byte(text), &agent); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return agent, true
}

func TestTheAgentCollectsWhatTheFileSays(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		agent, isThere := agentOf(t, s)
		equal(t, "there is an agent", isThere, e.Tracing != nil || e.Backend.InstanceMetrics)
		var xray, otlp, namespace, group any
		if e.Tracing != nil {
			xray, otlp = bridgeAddress(e)+":2000", bridgeAddress(e)+":4318"
		}
		if e.Backend.InstanceMetrics {
			_, asg := s.Only(t, "aws_autoscaling_group")
			namespace, group = e.NamePrefix(), asg.Text("name")
		}
		agent.Want(t, xray, "traces", "traces_collected", "xray", "bind_address")
		agent.Want(t, otlp, "traces", "traces_collected", "otlp", "http_endpoint")
		agent.Want(t, namespace, "metrics", "namespace")
		for _, kind := range []string{"mem", "disk"} {
			agent.Want(t, group, "metrics", "metrics_collected", kind, "append_dimensions", "AutoScalingGroupName")
		}
	})
}

func TestTheBackendsRequestsAreSampledAsTheFileSays(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		e := s.Environment()
		if e.Tracing == nil {
			equal(t, "sampling rules and groups", len(s.OfType("aws_xray_sampling_rule"))+len(s.OfType("aws_xray_group")), 0)
			return
		}
		name := e.NamePrefix() + "-backend"
		requests, health := s.Resource(t, "aws_xray_sampling_rule.traces_of_requests"), s.Resource(t, "aws_xray_sampling_rule.traces_of_health_checks")
		for _, rule := range []resource{requests, health} {
			rule.Want(t, name, "service_name")
			if len(rule.Text("rule_name")) > 32 {
				t.Errorf("the name %q is longer than X-Ray allows", rule.Text("rule_name"))
			}
		}
		requests.Want(t, "*", "url_path")
		requests.Want(t, float64(e.Tracing.RatePercent)/100, "fixed_rate")
		requests.Want(t, float64(e.Tracing.ReservoirPerSecond), "reservoir_size")
		health.Want(t, e.LoadBalancer.HealthCheckPath, "url_path")
		health.Want(t, 0.0, "fixed_rate")
		health.Want(t, 0.0, "reservoir_size")
		if first, then := health.Get("priority").(float64), requests.Get("priority").(float64); first >= then {
			t.Errorf("the rule of health checks has priority %v, and that of every request %v", first, then)
		}
		group := s.Resource(t, "aws_xray_group.traces")
		group.Want(t, `service("`+name+`")`, "filter_expression")
		group.Want(t, e.Tracing.Insights, "insights_configuration", "insights_enabled")
	})
	row{"aws_xray_group.traces", at("insights_configuration", "insights_enabled"), false}.check(t, component(t, "tracing"))
}

// IAM compares the namespace, so that the instances of one environment cannot write the metrics that another's alarms watch.
func TestInstancesWriteTheirOwnMetricsOnly(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for _, policy := range s.OfType("aws_iam_role_policy") {
			for _, statement := range policy.Statements(t, "policy") {
				if strings.Join(statement.Action, " ") == "cloudwatch:PutMetricData" {
					equal(t, "namespaces", statement.Condition["StringEquals"]["cloudwatch:namespace"], []string{s.Environment().NamePrefix()})
				}
			}
		}
	})
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		used, allowed := slices.ContainsFunc(s.Environments(), func(e config.Environment) bool { return e.Backend.InstanceMetrics }), false
		for _, statement := range s.Resource(t, "aws_iam_policy.boundary_policy").Statements(t, "policy") {
			for _, action := range statement.Action {
				if action == "cloudwatch:PutMetricData" {
					allowed = true
					equal(t, "namespaces of the boundary", statement.Condition["StringLike"]["cloudwatch:namespace"], []string{"starttech-*"})
				}
			}
		}
		equal(t, "instances may send metrics", allowed, used)
	})
}
