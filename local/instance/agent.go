package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// agentUnit is the unit that the package of the CloudWatch agent contains
// (https://github.com/aws/amazon-cloudwatch-agent/blob/main/packaging/dependencies/amazon-cloudwatch-agent.service).
const agentUnit = `[Unit]
Description=Amazon CloudWatch Agent

[Service]
ExecStart=%s
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target
`

// agentConfiguration is the part of the agent's configuration that the boot script uses. The names are those of the agent's schema
// (https://github.com/aws/amazon-cloudwatch-agent/blob/main/translator/config/schema.json), and other names are errors.
type agentConfiguration struct {
	Agent struct {
		Region                    string `json:"region"`
		MetricsCollectionInterval int    `json:"metrics_collection_interval"` // seconds
	} `json:"agent"`
	Metrics *struct {
		Namespace             string            `json:"namespace"`
		AppendDimensions      map[string]string `json:"append_dimensions"`
		AggregationDimensions [][]string        `json:"aggregation_dimensions"`
		MetricsCollected      struct {
			Mem  *agentMetric `json:"mem"`
			Disk *struct {
				agentMetric
				Resources  []string `json:"resources"`
				DropDevice bool     `json:"drop_device"`
			} `json:"disk"`
		} `json:"metrics_collected"`
	} `json:"metrics"`
	Traces *struct {
		TracesCollected struct {
			XRay *struct {
				BindAddress string `json:"bind_address"`
				TCPProxy    struct {
					BindAddress string `json:"bind_address"`
				} `json:"tcp_proxy"`
			} `json:"xray"`
			OTLP *struct {
				GRPCEndpoint string `json:"grpc_endpoint"`
				HTTPEndpoint string `json:"http_endpoint"`
			} `json:"otlp"`
		} `json:"traces_collected"`
	} `json:"traces"`
}

type agentMetric struct {
	Measurement      []string          `json:"measurement"`
	AppendDimensions map[string]string `json:"append_dimensions"`
}

// agentPlaceholders are what the agent replaces in append_dimensions of metrics
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Agent-Configuration-File-Details.html).
var agentPlaceholders = map[string]string{
	"AutoScalingGroupName": "${aws:AutoScalingGroupName}", "ImageId": "${aws:ImageId}", "InstanceId": "${aws:InstanceId}",
	"InstanceType": "${aws:InstanceType}",
}

func parseAgentConfiguration(content []byte) (c agentConfiguration, err error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return c, err
	}
	if c.Agent.Region == "" {
		return c, errors.New("agent.region is empty")
	}
	if c.Agent.MetricsCollectionInterval < 1 {
		return c, errors.New("agent.metrics_collection_interval is less than 1")
	}
	if c.Metrics == nil && c.Traces == nil {
		return c, errors.New("it has neither metrics nor traces")
	}
	return c, errors.Join(c.checkMetrics(), c.checkTraces())
}

func (c agentConfiguration) checkMetrics() error {
	if c.Metrics == nil {
		return nil
	}
	for name, value := range c.Metrics.AppendDimensions {
		if agentPlaceholders[name] != value {
			return fmt.Errorf("metrics.append_dimensions: %s=%s is none of the agent's placeholders", name, value)
		}
	}
	collected := c.Metrics.MetricsCollected
	if collected.Mem == nil && collected.Disk == nil {
		return errors.New("metrics.metrics_collected is empty")
	}
	if m := collected.Mem; m != nil && !slices.Equal(m.Measurement, []string{"mem_used_percent"}) {
		return fmt.Errorf("mem.measurement is %q; the local AWS knows mem_used_percent", m.Measurement)
	}
	if d := collected.Disk; d != nil && (!slices.Equal(d.Measurement, []string{"used_percent"}) || len(d.Resources) == 0) {
		return fmt.Errorf("disk is %q of %q; the local AWS knows used_percent of a path", d.Measurement, d.Resources)
	}
	return nil
}

func (c agentConfiguration) checkTraces() error {
	if c.Traces == nil {
		return nil
	}
	collected := c.Traces.TracesCollected
	if collected.XRay == nil && collected.OTLP == nil {
		return errors.New("traces.traces_collected is empty")
	}
	var addresses []string
	if x := collected.XRay; x != nil {
		addresses = append(addresses, x.BindAddress, x.TCPProxy.BindAddress)
	}
	if o := collected.OTLP; o != nil {
		addresses = append(addresses, o.GRPCEndpoint, o.HTTPEndpoint)
	}
	for _, address := range addresses {
		if _, err := netip.ParseAddrPort(address); err != nil {
			return err
		}
	}
	return nil
}

// controlAgent is the stand-in for amazon-cloudwatch-agent-ctl: it checks the configuration and starts the service.
func controlAgent(arguments []string) error {
	c, err := ownConfig()
	if err != nil {
		return err
	}
	if len(arguments) != 7 || strings.Join(arguments[:5], " ") != "-a fetch-config -m ec2 -c" || !strings.HasPrefix(arguments[5], "file:") || arguments[6] != "-s" {
		return fmt.Errorf("%s: only -a fetch-config -m ec2 -c file:PATH -s is supported on the local AWS", strings.Join(arguments, " "))
	}
	content, err := os.ReadFile(strings.TrimPrefix(arguments[5], "file:"))
	if err != nil {
		return err
	}
	if _, err := parseAgentConfiguration(content); err != nil {
		return fmt.Errorf("configuration validation failed: %w", err)
	}
	for _, command := range []string{"enable", "restart"} {
		r, err := callInit(c, command, "amazon-cloudwatch-agent")
		if err != nil {
			return err
		}
		if r.Status != 0 {
			return exit{r.Status, errors.New(r.Errors)}
		}
	}
	fmt.Println("Configuration validation succeeded")
	return nil
}

// runAgent is the stand-in for the agent. It does nothing: an instance has no bridge of Docker, and no memory and disk of its own.
func runAgent([]string) error {
	time.Sleep(math.MaxInt64)
	return nil
}
