package config

import "slices"

// GuardDuty is the account's GuardDuty detector in its region, and the notifications of its findings.
type GuardDuty struct {
	// The account's detector, of which a region has one. create: bootstrap creates it. existing: it is managed elsewhere, for example by the
	// organization; only the notifications are created.
	//
	// AWS's rule: https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html.
	Detector string `json:"detector" jsonschema:"required,enum=create,enum=existing" change:"free: deploy bootstrap, which has the detector. From create to existing, Terraform forgets the detector. The plan destroys the resources of its protection plans, which changes nothing in AWS."`
	// Protection plans of a created detector. Those that are not in the list are off. VPC flow logs, DNS queries and CloudTrail's management
	// events are always analyzed.
	//
	// AWS's values: https://docs.aws.amazon.com/guardduty/latest/APIReference/API_DetectorFeatureConfiguration.html. EKS_RUNTIME_MONITORING is not
	// among these, because it is a part of RUNTIME_MONITORING, and a detector with both is an error.
	Protections []string `json:"protections" jsonschema:"uniqueItems=true,enum=S3_DATA_EVENTS,enum=EKS_AUDIT_LOGS,enum=EBS_MALWARE_PROTECTION,enum=RDS_LOGIN_EVENTS,enum=LAMBDA_NETWORK_LOGS,enum=RUNTIME_MONITORING" change:"free: deploy bootstrap, which has the detector"`
	// Agents of RUNTIME_MONITORING that GuardDuty installs and updates by itself.
	//
	// AWS's values: https://docs.aws.amazon.com/guardduty/latest/APIReference/API_DetectorAdditionalConfiguration.html.
	RuntimeAgents []string `json:"runtimeAgents" jsonschema:"uniqueItems=true,enum=EC2_AGENT_MANAGEMENT,enum=ECS_FARGATE_AGENT_MANAGEMENT,enum=EKS_ADDON_MANAGEMENT" change:"free: deploy bootstrap, which has the detector"`
	// How often a created detector publishes that a finding has occurred again, SIX_HOURS by default. It publishes a new finding within five
	// minutes.
	//
	// AWS's values: https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html. The five minutes:
	// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html.
	FindingPublishingFrequency string `json:"findingPublishingFrequency,omitempty" jsonschema:"enum=FIFTEEN_MINUTES,enum=ONE_HOUR,enum=SIX_HOURS" change:"free: deploy bootstrap, which has the detector"`
}

func defaultGuardDuty() GuardDuty {
	return GuardDuty{Protections: []string{}, RuntimeAgents: []string{}}
}

// RuntimeMonitoring is the protection plan that has agents.
const RuntimeMonitoring = "RUNTIME_MONITORING"

// Protections are the protection plans of a detector.
var Protections = []string{"S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS", RuntimeMonitoring}

// RuntimeAgents are the agents of RuntimeMonitoring.
var RuntimeAgents = []string{"EC2_AGENT_MANAGEMENT", "ECS_FARGATE_AGENT_MANAGEMENT", "EKS_ADDON_MANAGEMENT"}

// CreatesDetector reports whether bootstrap has the detector.
func (g *GuardDuty) CreatesDetector() bool { return g != nil && g.Detector == "create" }

// check refuses settings of a detector that is managed elsewhere.
func (g GuardDuty) check(at place, _ Environment) {
	for _, key := range []string{"protections", "runtimeAgents", "findingPublishingFrequency"} {
		if g.Detector == "existing" && at.key(key).isSet() {
			at.key(key).problem("detector is existing, so its settings are managed elsewhere; remove this key, or set detector: create")
		}
	}
	if g.Detector == "create" && len(g.RuntimeAgents) > 0 && !slices.Contains(g.Protections, RuntimeMonitoring) {
		at.key("runtimeAgents").problem("the agents are those of %s, which is not in protections; add it, or remove the agents", RuntimeMonitoring)
	}
}
