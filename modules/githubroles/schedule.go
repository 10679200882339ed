package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// schedule is the scheduled actions of the Auto Scaling group.
func schedule(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Schedule != nil }) {
		return part{}
	}
	return part{
		id:           optional,
		planUnscoped: []string{"autoscaling:DescribeScheduledActions"},
		deploy: []policy.Statement{{
			Sid:      "ManageSchedule",
			Effect:   policy.Allow,
			Action:   []string{"autoscaling:DeleteScheduledAction", "autoscaling:PutScheduledUpdateGroupAction"},
			Resource: []string{a.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/"+prefixed("*"))},
		}},
	}
}
