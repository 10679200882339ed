package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/modules/tracing"
)

// traces is X-Ray.
func traces(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Tracing != nil }) {
		return part{}
	}
	var (
		groups = a.arn("xray", "group/"+prefixed("*"))
		rules  = a.arn("xray", "sampling-rule/"+prefixed("*"))
	)
	return part{
		id:           optional,
		planUnscoped: []string{"xray:GetSamplingRules"},
		plan: []policy.Statement{{
			Sid:      "ReadTraceGroups",
			Effect:   policy.Allow,
			Action:   []string{"xray:GetGroup", "xray:ListTagsForResource"},
			Resource: []string{groups, rules},
		}},
		deploy: []policy.Statement{{
			Sid:    "ManageTraceGroups",
			Effect: policy.Allow,
			Action: []string{
				"xray:CreateGroup", "xray:CreateSamplingRule", "xray:DeleteGroup", "xray:DeleteSamplingRule", "xray:TagResource",
				"xray:UntagResource", "xray:UpdateGroup", "xray:UpdateSamplingRule",
			},
			Resource: []string{groups, rules},
		}},
		instanceUnscoped: tracing.InstanceActions,
	}
}

// instanceMetrics is the memory and the disk of the instances. Their alarms are in monitoring.
func instanceMetrics(c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Backend.InstanceMetrics }) {
		return part{}
	}
	return part{
		id: optional,
		instance: []policy.Statement{{
			Sid:       "SendMetrics",
			Effect:    policy.Allow,
			Action:    []string{"cloudwatch:PutMetricData"},
			Resource:  []string{"*"}, // does not support resource-level permissions
			Condition: policy.Condition{"StringLike": {"cloudwatch:namespace": {prefixed("*")}}},
		}},
	}
}
