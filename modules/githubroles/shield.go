package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// shield is the protections of Shield Advanced, whose IDs AWS chooses. An administrator subscribes, by bootstrap.
func shield(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Shield != nil }) {
		return part{}
	}
	protections := []string{a.globalARN("shield", "protection/*")}
	return part{
		id: optional,
		plan: []policy.Statement{{
			Sid:      "ReadProtections",
			Effect:   policy.Allow,
			Action:   []string{"shield:DescribeProtection", "shield:ListTagsForResource"},
			Resource: protections,
		}},
		deploy: []policy.Statement{{
			Sid:       "CreateProtection",
			Effect:    policy.Allow,
			Action:    []string{"shield:CreateProtection"},
			Resource:  []string{"*"}, // does not support resource-level permissions
			Condition: withProjectTag,
		}, {
			Sid:       "TagNewProtection",
			Effect:    policy.Allow,
			Action:    []string{"shield:TagResource"},
			Resource:  protections,
			Condition: withFirstProjectTag,
		}, {
			Sid:       "ManageProtections",
			Effect:    policy.Allow,
			Action:    []string{"shield:DeleteProtection", "shield:TagResource", "shield:UntagResource"},
			Resource:  protections,
			Condition: onProjectTag,
		}},
		bootstrap: []policy.Statement{{
			Sid:      "ReadSubscription",
			Effect:   policy.Allow,
			Action:   []string{"shield:DescribeSubscription"},
			Resource: []string{"*"}, // does not support resource-level permissions
		}},
	}
}
