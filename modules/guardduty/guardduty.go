// Package guardduty is the account's GuardDuty detector, and the notifications of its findings to the operators of an environment.
package guardduty

import (
	"slices"
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatcheventrule"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatcheventtarget"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/guarddutydetector"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/guarddutydetectorfeature"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/internal/tfstring"
	"github.com/starttech/infrastructure/modules/monitoring"
)

// Severity is that of the findings whose notifications are sent: high and critical
// (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html).
const Severity = 7

// Publisher is EventBridge, which publishes the findings to the topic of the alarms. It has no condition: EventBridge supports none in the
// policy of a topic (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions), and SNS supports
// neither aws:SourceAccount nor aws:SourceArn in the policy of its key (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html). With
// one, no finding would arrive.
func Publisher() monitoring.Publisher {
	return monitoring.Publisher{Sid: "AllowEventBridge", Service: "events.amazonaws.com"}
}

// DetectorAddress is the address of a created detector.
const DetectorAddress = "aws_guardduty_detector.guardduty"

// New creates, for an account,
//
//	Detector <- DetectorFeature per protection plan, on or off
//
// A new detector has every plan but runtime monitoring (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html), so those
// that the file does not have are switched off.
func New(scope constructs.Construct, g config.GuardDuty) {
	detector := guarddutydetector.NewGuarddutyDetector(scope, jsii.String("guardduty"), &guarddutydetector.GuarddutyDetectorConfig{
		Enable:                     jsii.Bool(true),
		FindingPublishingFrequency: text(g.FindingPublishingFrequency),
	})
	suppress.Finding(detector, "The detector is one account's; an organization enables its detectors itself, which is detector: existing", "CKV2_AWS_3")
	detectorID := detector.Id()
	for _, name := range config.Protections {
		feature := &guarddutydetectorfeature.GuarddutyDetectorFeatureConfig{
			DetectorId: detectorID,
			Name:       jsii.String(name),
			Status:     jsii.String(status(g.Protections, name)),
		}
		id := "guardduty_" + strings.ToLower(name)
		if name == config.RuntimeMonitoring {
			id = runtimeMonitoringID(g)
			feature.AdditionalConfiguration = agents(g)
			feature.Lifecycle = &cdktf.TerraformResourceLifecycle{IgnoreChanges: jsii.Strings("additional_configuration")}
		}
		guarddutydetectorfeature.NewGuarddutyDetectorFeature(scope, jsii.String(id), feature)
	}
}

// agents are those of runtime monitoring, on or off. AWS returns all of them, in an order of its own, and the provider compares lists, so that
// each plan would replace the feature (https://github.com/hashicorp/terraform-provider-aws/issues/36400). So changes are ignored.
func agents(g config.GuardDuty) []guarddutydetectorfeature.GuarddutyDetectorFeatureAdditionalConfiguration {
	var agents []guarddutydetectorfeature.GuarddutyDetectorFeatureAdditionalConfiguration
	for _, name := range config.RuntimeAgents {
		agents = append(agents, guarddutydetectorfeature.GuarddutyDetectorFeatureAdditionalConfiguration{
			Name:   jsii.String(name),
			Status: jsii.String(status(g.RuntimeAgents, name)),
		})
	}
	return agents
}

// runtimeMonitoringID names the agents, so that with other agents there is another resource, whose creation updates the detector. The deletion of
// a feature does nothing in AWS (https://registry.terraform.io/providers/hashicorp/aws/5.100.0/docs/resources/guardduty_detector_feature).
func runtimeMonitoringID(g config.GuardDuty) string {
	id := "guardduty_runtime_monitoring"
	for _, name := range slices.Sorted(slices.Values(g.RuntimeAgents)) {
		kind, _, _ := strings.Cut(name, "_")
		id += "_" + strings.ToLower(kind) // ec2, ecs, eks
	}
	return id
}

func status(names []string, name string) string {
	if slices.Contains(names, name) {
		return "ENABLED"
	}
	return "DISABLED"
}

// text is an argument that is left out if it is empty.
func text(value string) *string {
	if value == "" {
		return nil
	}
	return jsii.String(value)
}

// Notifications is the environment that is notified.
type Notifications struct {
	NamePrefix string // "starttech-production"
	Region     string
	TopicARN   *string
	Runbook    config.Runbook
}

// NewNotifications creates, for an environment,
//
//	Rule (findings of the account) -> Target -> Topic
//
// GuardDuty sends its findings to the default event bus of the account
// (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html).
func NewNotifications(scope constructs.Construct, n Notifications) {
	rule := cloudwatcheventrule.NewCloudwatchEventRule(scope, jsii.String("guardduty_findings"), &cloudwatcheventrule.CloudwatchEventRuleConfig{
		Name:        jsii.String(n.NamePrefix + "-guardduty"),
		Description: jsii.String("Findings of GuardDuty in the account, of high and critical severity"),
		EventPattern: tfstring.JSON(map[string]any{
			"source":      []string{"aws.guardduty"},
			"detail-type": []string{"GuardDuty Finding"},
			"detail":      map[string]any{"severity": []any{map[string]any{"numeric": []any{">=", Severity}}}},
		}),
	})
	// A finding in its format for EventBridge: https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html. A value that it
	// lacks is empty. Each line of the template is in quotes, which are in the message
	// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html).
	cloudwatcheventtarget.NewCloudwatchEventTarget(scope, jsii.String("guardduty_to_alarms"), &cloudwatcheventtarget.CloudwatchEventTargetConfig{
		Rule: rule.Name(),
		Arn:  n.TopicARN,
		InputTransformer: &cloudwatcheventtarget.CloudwatchEventTargetInputTransformer{
			InputPaths: &map[string]*string{
				"severity":    jsii.String("$.detail.severity"),
				"type":        jsii.String("$.detail.type"),
				"title":       jsii.String("$.detail.title"),
				"description": jsii.String("$.detail.description"),
				"account":     jsii.String("$.detail.accountId"),
				"resource":    jsii.String("$.detail.resource.resourceType"),
				"count":       jsii.String("$.detail.service.count"),
				"last":        jsii.String("$.detail.service.eventLastSeen"),
				"id":          jsii.String("$.detail.id"),
			},
			InputTemplate: jsii.String(strings.Join([]string{
				`"GuardDuty, severity <severity> of 10, in account <account>, ` + n.Region + `: <title>"`,
				`"<description>"`,
				`"It has occurred <count> times, the last time at <last>. Resource: <resource>. Type: <type>."`,
				`"https://` + n.Region + `.console.aws.amazon.com/guardduty/home?region=` + n.Region + `#/findings?search=id%3D<id>"`,
				`"Runbook: ` + n.Runbook.Section("guardduty") + `"`,
			}, "\n")),
		},
	})
}
