package claims

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// finding is a finding of high severity, in its format for EventBridge.
const finding = `{"severity": 8, "type": "Backdoor:EC2/C&CActivity.B!DNS", "title": "An instance queries a domain of a botnet.", "description": "The instance i-1 asks for x.example.",
	"accountId": "123456789012", "id": "f1", "resource": {"resourceType": "Instance"}, "service": {"count": 3, "eventLastSeen": "2026-11-26T08:00:00Z"}}`

func TestTheAccountHasTheDetectorAndTheProtectionsOfTheFile(t *testing.T) {
	seen := map[string]bool{}
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		g := s.Environments()[0].GuardDuty
		want, got := map[string]string{}, map[string]string{}
		if g != nil {
			seen[g.Detector] = true
		}
		if g != nil && g.Detector == "create" {
			_, detector := s.Only(t, "aws_guardduty_detector")
			detector.Want(t, true, "enable")
			for _, name := range []string{"S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS", "RUNTIME_MONITORING"} {
				want[name] = "DISABLED" // AWS enables them in a new detector
				if slices.Contains(g.Protections, name) {
					want[name] = "ENABLED"
				}
			}
			for _, name := range []string{"EC2_AGENT_MANAGEMENT", "ECS_FARGATE_AGENT_MANAGEMENT", "EKS_ADDON_MANAGEMENT"} {
				want[name] = "DISABLED"
				if slices.Contains(g.RuntimeAgents, name) {
					want[name] = "ENABLED"
				}
			}
		} else {
			equal(t, "detectors", len(s.OfType("aws_guardduty_detector")), 0)
		}
		for feature := range maps.Values(s.OfType("aws_guardduty_detector_feature")) {
			feature.Want(t, ref("aws_guardduty_detector.guardduty", "id"), "detector_id")
			got[feature.Text("name")] = feature.Text("status")
			agents, _ := feature.Get("additional_configuration").([]any)
			for i := range agents {
				agent := resource(agents[i].(map[string]any))
				got[agent.Text("name")] = agent.Text("status")
			}
		}
		equal(t, "protections and agents", got, want)
	})
	if !seen["create"] || !seen["existing"] {
		t.Errorf("stacks with the detectors %v only", seen)
	}
}

// A detector that is managed elsewhere from now on is neither destroyed nor recreated.
func TestADetectorThatIsManagedElsewhereIsNotDestroyed(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		g := s.Environments()[0].GuardDuty
		removed, _ := resource(s.Body).Get("removed").([]any)
		forgotten := slices.ContainsFunc(removed, func(each any) bool {
			block := resource(each.(map[string]any))
			return block.Text("from") == "aws_guardduty_detector.guardduty" && block.Get("lifecycle", "destroy") == false
		})
		equal(t, "the detector is forgotten", forgotten, g != nil && g.Detector == "existing")
	})
}

// With other agents, the feature is another resource: the provider compares a list whose order AWS chooses, so changes in place are ignored.
func TestOtherAgentsAreAnotherFeature(t *testing.T) {
	address, feature := onlyFeature(t, harness.Components(t).Stack(t, "bootstrap-123456789012"), "RUNTIME_MONITORING")
	equal(t, "ignored", feature.Strings("lifecycle", "ignore_changes"), []string{"additional_configuration"})
	equal(t, "address", address, "aws_guardduty_detector_feature.guardduty_runtime_monitoring_ec2")
}

func onlyFeature(t *testing.T, s stack, name string) (string, resource) {
	t.Helper()
	for address, feature := range s.OfType("aws_guardduty_detector_feature") {
		if feature.Text("name") == name {
			return address, feature
		}
	}
	t.Fatalf("%s has no feature %s", s.Name, name)
	return "", nil
}

func TestFindingsOfSeveritySevenAndMoreReachTheRecipientsOfAlarms(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		const address = "aws_cloudwatch_event_rule.guardduty_findings"
		if s.Environment().GuardDuty == nil {
			for _, each := range s.Addresses() {
				if strings.Contains(each, "guardduty") {
					t.Errorf("there is %s", each)
				}
			}
			return
		}
		rule := s.Resource(t, address)
		rule.Want(t, s.Environment().NamePrefix()+"-guardduty", "name")
		rule.Want(t, nil, "event_bus_name") // the default bus
		var pattern any
		harness.Must(t, 0, json.Unmarshal([]byte(rule.Text("event_pattern")), &pattern))
		equal(t, "pattern", pattern, any(map[string]any{
			"source": []any{"aws.guardduty"}, "detail-type": []any{"GuardDuty Finding"},
			"detail": map[string]any{"severity": []any{map[string]any{"numeric": []any{">=", 7.0}}}},
		}))
		target := s.Resource(t, "aws_cloudwatch_event_target.guardduty_to_alarms")
		target.Want(t, ref(address, "name"), "rule")
		target.Want(t, ref("aws_sns_topic.alarms", "arn"), "arn")
		target.Want(t, nil, "role_arn") // with a role, EventBridge may fail to reach an encrypted topic

		equal(t, "message", message(t, target, finding), `"GuardDuty, severity 8 of 10, in account 123456789012, `+s.Environment().Region+`: An instance queries a domain of a botnet."
"The instance i-1 asks for x.example."
"It has occurred 3 times, the last time at 2026-11-26T08:00:00Z. Resource: Instance. Type: Backdoor:EC2/C&CActivity.B!DNS."
"https://`+s.Environment().Region+`.console.aws.amazon.com/guardduty/home?region=`+s.Environment().Region+`#/findings?search=id%3Df1"
"Runbook: https://github.com/`+s.Environment().Repository+`/blob/main/docs/runbook.md#guardduty"`)
	})
}

// message is what the input transformer of a target makes of an event's detail.
func message(t *testing.T, target resource, detail string) string {
	t.Helper()
	var event map[string]any
	harness.Must(t, 0, json.Unmarshal([]byte(`{"detail":`+detail+`}`), &event))
	paths, _ := target.Get("input_transformer", "input_paths").(map[string]any)
	return regexp.MustCompile(`<\w+>`).ReplaceAllStringFunc(target.Text("input_transformer", "input_template"), func(name string) string {
		path, _ := paths[strings.Trim(name, "<>")].(string)
		var keys []any
		for key := range strings.SplitSeq(strings.TrimPrefix(path, "$."), ".") {
			keys = append(keys, key)
		}
		content, err := json.Marshal(resource(event).Get(keys...))
		return strings.Trim(strings.ReplaceAll(string(harness.Must(t, content, err)), `\u0026`, "&"), `"`)
	})
}
