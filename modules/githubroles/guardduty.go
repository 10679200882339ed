package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// guardDuty is the account's detector, and the rules that notify the environments of its findings.
func guardDuty(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.GuardDuty != nil }) {
		return part{}
	}
	rules := []string{a.arn("events", "rule/"+prefixed("*"))}
	p := part{
		id: optional,
		plan: []policy.Statement{{
			Sid:      "ReadRules",
			Effect:   policy.Allow,
			Action:   []string{"events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"},
			Resource: rules,
		}},
		deploy: []policy.Statement{{
			Sid:    "ManageRules",
			Effect: policy.Allow,
			Action: []string{
				"events:DeleteRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource", "events:UntagResource",
			},
			Resource: rules,
		}},
	}
	if c.anyHas(func(e config.Environment) bool { return e.GuardDuty.CreatesDetector() }) {
		p.bootstrap = []policy.Statement{{
			Sid:      "ReadDetector",
			Effect:   policy.Allow,
			Action:   []string{"guardduty:GetDetector"},
			Resource: []string{a.arn("guardduty", "detector/*")}, // AWS chooses the id
		}}
	}
	return p
}
