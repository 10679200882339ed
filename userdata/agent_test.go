package userdata_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/userdata"
)

// everyPart has both parts of the agent.
var everyPart = userdata.Agent{TracesAddress: "172.17.0.1", Namespace: "starttech-production", GroupName: "starttech-production-backend"}

// The keys and values are those of the agent's schema
// (https://github.com/aws/amazon-cloudwatch-agent/blob/main/translator/config/schema.json).
const (
	agentTraces = `"traces": {"traces_collected": {
		"xray": {"bind_address": "172.17.0.1:2000", "tcp_proxy": {"bind_address": "172.17.0.1:2000"}},
		"otlp": {"grpc_endpoint": "172.17.0.1:4317", "http_endpoint": "172.17.0.1:4318"}
	}}`
	agentMetrics = `"metrics": {
		"namespace": "starttech-production",
		"append_dimensions": {"InstanceId": "${aws:InstanceId}"},
		"aggregation_dimensions": [["AutoScalingGroupName"]],
		"metrics_collected": {
			"mem": {"measurement": ["mem_used_percent"], "append_dimensions": {"AutoScalingGroupName": "starttech-production-backend"}},
			"disk": {"measurement": ["used_percent"], "append_dimensions": {"AutoScalingGroupName": "starttech-production-backend"},
				"resources": ["/"], "drop_device": true}
		}
	}`
)

func TestAgentStartsAfterBackend(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.mustBoot()
		without := m.calls()
		m = newMachine(t, m.version)
		m.settings.Agent = everyPart
		output := m.mustBoot()

		equalLines(t, "calls", m.calls(), append(without,
			"yum install -y amazon-cloudwatch-agent",
			"amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -c file:ROOT/etc/starttech/agent.json -s",
		))
		lines := strings.Split(strings.TrimSpace(regexp.MustCompile(`(?m)^\S+ `).ReplaceAllString(output, "")), "\n")
		equalLines(t, "last steps", lines[len(lines)-4:], []string{
			"boot complete: " + release, "install the CloudWatch agent", "start the CloudWatch agent", "the CloudWatch agent runs",
		})
		equal(t, "override", m.read("root/etc/systemd/system/amazon-cloudwatch-agent.service.d/starttech.conf"),
			"[Unit]\nAfter=docker.service\n\n[Service]\nOOMScoreAdjust=500\n")
	})
}

func TestAgentGetsConfigurationOfItsParts(t *testing.T) {
	t.Parallel()

	const general = `"agent": {"region": "eu-west-1", "metrics_collection_interval": 60}`
	for want, agent := range map[string]userdata.Agent{
		"{" + general + "," + agentTraces + "}":                      {TracesAddress: everyPart.TracesAddress},
		"{" + general + "," + agentMetrics + "}":                     {Namespace: everyPart.Namespace, GroupName: everyPart.GroupName},
		"{" + general + "," + agentTraces + "," + agentMetrics + "}": everyPart,
	} {
		m := newMachine(t, osVersions[0])
		m.settings.Agent = agent
		m.mustBoot()
		equal(t, "configuration", indent(t, m.read("state/agent.json")), indent(t, want))
	}
}

// indent formats JSON, with sorted keys.
func indent(t *testing.T, text string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The reason is in the log group, and the backend runs.
func TestBackendRunsWithoutFailingAgent(t *testing.T) {
	t.Parallel()

	for call, step := range map[string]string{
		"yum-install": "install the CloudWatch agent", "amazon-cloudwatch-agent-ctl": "start the CloudWatch agent",
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()

			forEachVersion(t, func(t *testing.T, m *machine) {
				m.settings.Agent = everyPart
				m.failCalls(call, always)
				output := m.mustBoot()

				contains(t, "output", output, " no CloudWatch agent: cannot "+step+": "+reason+"\n")
				equalLines(t, "containers", m.calls("docker run"), []string{"docker " + dockerRun})
				equalLines(t, "starts", m.calls("systemctl restart"), []string{"systemctl restart starttech-backend"})
				if calls := m.calls("aws logs"); len(calls) != 2 || !strings.Contains(calls[1], "no CloudWatch agent: cannot "+step) {
					t.Errorf("calls to CloudWatch Logs: %q", calls)
				}
			})
		})
	}
}

func TestBootWithoutReleaseInstallsNoAgent(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.settings.Agent = everyPart
		m.bootWithoutRelease()
		equalLines(t, "calls", m.calls("yum", "amazon-cloudwatch-agent-ctl"), nil)
	})
}

func TestSecondBootConfiguresAgentAgain(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.settings.Agent = userdata.Agent{TracesAddress: "172.17.0.1"}
		m.mustBoot()
		m.settings.Agent = everyPart
		m.mustBoot()
		equalLines(t, "installs", m.calls("yum"), nil)
		contains(t, "configuration", m.read("state/agent.json"), `"namespace":"starttech-production"`)
	})
}

// Terraform would take the agent's placeholders for references.
func TestTemplateHasAgentsPlaceholders(t *testing.T) {
	t.Parallel()

	settings := production()
	settings.Agent = everyPart
	template, script := userdata.Template(settings), userdata.Script(settings)
	equal(t, "unescaped template", strings.NewReplacer("$${", "${", "%%{", "%{").Replace(template), script)
	contains(t, "template", template, `"$${aws:InstanceId}"`)
	contains(t, "script", script, `"${aws:InstanceId}"`)
}

func TestScriptWithoutAgentIsTheBootScript(t *testing.T) {
	t.Parallel()

	if script := userdata.Script(production()); strings.Contains(strings.ToLower(script), "cloudwatch-agent") || strings.Contains(script, "AGENT") {
		t.Error("the script has a part of the agent, which the settings do not have")
	}
}
