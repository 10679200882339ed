package userdata

import (
	_ "embed"

	"github.com/starttech/infrastructure/internal/tfstring"
)

//go:embed agent.sh
var startAgent string

// Agent configures the CloudWatch agent. It is the one collector that is in the package repositories of both Amazon Linux generations
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/download-cloudwatch-agent-commandline.html) and takes the traces of OpenTelemetry and
// of X-Ray's SDKs (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Agent-Configuration-File-Details.html); since 2026-02-25,
// X-Ray's own daemon gets security fixes only (https://docs.aws.amazon.com/xray/latest/devguide/xray-sdk-daemon-timeline.html).
//
// No value may contain Terraform references.
type Agent struct {
	TracesAddress string // IP address of the instance at which the agent takes traces; empty: it takes none
	Namespace     string // of the metrics of memory and disk; empty: there are none
	GroupName     string // Auto Scaling group, the dimension over which the metrics are aggregated
}

// Ports at which the agent takes traces, its defaults: X-Ray segments (UDP) and sampling rules (TCP), and OpenTelemetry over gRPC and over HTTP.
const (
	XRayPort     = "2000"
	otlpGRPCPort = "4317"
	OTLPHTTPPort = "4318"
)

// isEmpty reports whether the agent would have nothing to do. Then it is not installed.
func (a Agent) isEmpty() bool { return a.TracesAddress == "" && a.Namespace == "" }

type object = map[string]any

// configuration returns the agent's configuration
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Agent-Configuration-File-Details.html).
//
// The name of the group is a value, and not the agent's ${aws:AutoScalingGroupName}, for which the instance would need ec2:DescribeTags. The agent reads
// the instance's id, ${aws:InstanceId}, from the metadata service.
func (a Agent) configuration(region string) string {
	c := object{"agent": object{"region": region, "metrics_collection_interval": 60}}
	if a.TracesAddress != "" {
		at := func(port string) string { return a.TracesAddress + ":" + port }
		c["traces"] = object{"traces_collected": object{
			"xray": object{"bind_address": at(XRayPort), "tcp_proxy": object{"bind_address": at(XRayPort)}},
			"otlp": object{"grpc_endpoint": at(otlpGRPCPort), "http_endpoint": at(OTLPHTTPPort)},
		}}
	}
	if a.Namespace != "" {
		group := object{"AutoScalingGroupName": a.GroupName}
		c["metrics"] = object{
			"namespace":              a.Namespace,
			"append_dimensions":      object{"InstanceId": "${aws:InstanceId}"},
			"aggregation_dimensions": [][]string{{"AutoScalingGroupName"}},
			"metrics_collected": object{
				"mem": object{"measurement": []string{"mem_used_percent"}, "append_dimensions": group},
				"disk": object{
					"measurement": []string{"used_percent"}, "append_dimensions": group,
					"resources": []string{"/"}, "drop_device": true, // the name of the device differs between instance types
				},
			},
		}
	}
	return *tfstring.JSON(c)
}
