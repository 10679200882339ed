package githubroles

import (
	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/policy"
)

// budget is the account's budget and its cost anomaly detection. Both are bootstrap's, so only the plan role reads them.
func budget(a account, c Config) part {
	if !c.anyHas(func(e config.Environment) bool { return e.Budget != nil }) {
		return part{}
	}
	p := part{
		id: optional,
		bootstrap: []policy.Statement{{
			Sid:      "ReadBudget",
			Effect:   policy.Allow,
			Action:   []string{"budgets:ListTagsForResource", "budgets:ViewBudget"},
			Resource: []string{a.globalARN("budgets", "budget/"+prefixed("*"))},
		}},
	}
	if c.anyHas(func(e config.Environment) bool { return e.Budget != nil && e.Budget.Anomalies != nil }) {
		p.bootstrap = append(p.bootstrap, policy.Statement{
			Sid:    "ReadAnomalyDetection",
			Effect: policy.Allow,
			Action: []string{"ce:GetAnomalyMonitors", "ce:GetAnomalySubscriptions", "ce:ListTagsForResource"},
			Resource: []string{ // AWS chooses the ids
				a.globalARN("ce", "anomalymonitor/*"), a.globalARN("ce", "anomalysubscription/*"),
			},
		})
	}
	return p
}
