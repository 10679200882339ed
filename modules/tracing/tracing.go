// Package tracing is AWS X-Ray for the backend: which requests are traced, a group of their traces, and what lets the instances send them.
package tracing

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/iamrolepolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/xraygroup"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/xraysamplingrule"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/userdata"
)

// Config is the role of the instances, and the tracing block of the environment file.
type Config struct {
	NamePrefix      string // "starttech-production"
	HealthCheckPath string // of the load balancer
	RoleID          *string
	config.Tracing
}

// InstanceActions are what the agent calls. They do not support resource-level permissions
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html).
var InstanceActions = []string{"xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}

// New creates
//
//	SamplingRule health checks: none
//	SamplingRule the backend's other requests
//	Group        the backend's traces
//	Role <- RolePolicy: send traces, read sampling rules
func New(scope constructs.Construct, c Config) {
	name := serviceName(c.NamePrefix)
	// A rule with a lower priority is compared first. An account's default rule has 10,000
	// (https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html).
	newRule := func(id, ruleName, path string, priority, reservoir int, rate float64) {
		xraysamplingrule.NewXraySamplingRule(scope, jsii.String(id), &xraysamplingrule.XraySamplingRuleConfig{
			RuleName:      jsii.String(ruleName),
			Priority:      jsii.Number(priority),
			ReservoirSize: jsii.Number(reservoir),
			FixedRate:     jsii.Number(rate),
			ServiceName:   jsii.String(name),
			UrlPath:       jsii.String(path),
			ServiceType:   jsii.String("*"),
			Host:          jsii.String("*"),
			HttpMethod:    jsii.String("*"),
			ResourceArn:   jsii.String("*"),
			Version:       jsii.Number(1),
		})
	}
	// Otherwise a quiet site would trace little else: the reservoir is larger than the number of health checks in a second.
	newRule("traces_of_health_checks", c.NamePrefix+"-health", c.HealthCheckPath, 100, 0, 0)
	newRule("traces_of_requests", name, "*", 101, c.ReservoirPerSecond, float64(c.RatePercent)/100)

	xraygroup.NewXrayGroup(scope, jsii.String("traces"), &xraygroup.XrayGroupConfig{
		GroupName:        jsii.String(name),
		FilterExpression: jsii.String(`service("` + name + `")`),
		InsightsConfiguration: &xraygroup.XrayGroupInsightsConfiguration{
			InsightsEnabled:      jsii.Bool(c.Insights),
			NotificationsEnabled: jsii.Bool(false), // events for EventBridge, which nobody receives
		},
	})

	iamrolepolicy.NewIamRolePolicy(scope, jsii.String("instance_tracing"), &iamrolepolicy.IamRolePolicyConfig{
		Name: jsii.String("tracing"),
		Role: c.RoleID,
		Policy: policy.Document(policy.Statement{
			Sid:      "SendTraces",
			Effect:   policy.Allow,
			Action:   InstanceActions,
			Resource: []string{"*"},
		}),
	})
}

// serviceName is the name of the backend in traces, and so on the trace map.
func serviceName(namePrefix string) string { return namePrefix + "-backend" }

// Variables are the environment variables of the container that the SDKs of OpenTelemetry and of X-Ray read. address is that of the agent.
//
//   - https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
//   - https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Application-Signals-SampleRate.html: the sampler xray, which asks for the rules
//   - https://docs.aws.amazon.com/xray/latest/devguide/xray-sdk-go-configuration.html
func Variables(namePrefix, address string) map[string]string {
	xray := address + ":" + userdata.XRayPort
	return map[string]string{
		"OTEL_SERVICE_NAME":           serviceName(namePrefix),
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + address + ":" + userdata.OTLPHTTPPort,
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
		"OTEL_METRICS_EXPORTER":       "none", // the agent takes traces only
		"OTEL_LOGS_EXPORTER":          "none",
		"OTEL_PROPAGATORS":            "xray", // X-Amzn-Trace-Id, the load balancer's header
		"OTEL_TRACES_SAMPLER":         "xray",
		"OTEL_TRACES_SAMPLER_ARG":     "endpoint=http://" + xray,
		"AWS_XRAY_DAEMON_ADDRESS":     xray,
		"AWS_XRAY_TRACING_NAME":       serviceName(namePrefix),
	}
}
