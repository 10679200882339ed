package githubroles

import (
	"slices"

	"github.com/starttech/infrastructure/internal/policy"
)

// snapshots is the snapshots that Redis is restored from, and those that its destroy takes.
func snapshots(a account, c Config) part {
	var named []string
	for _, environment := range c.Environments {
		for _, name := range []string{environment.Cache.RestoreFrom, environment.Cache.FinalSnapshot} {
			if name != "" && !slices.Contains(named, a.arn("elasticache", "snapshot:"+name)) {
				named = append(named, a.arn("elasticache", "snapshot:"+name))
			}
		}
	}
	if len(named) == 0 {
		return part{}
	}
	return part{
		id: optional,
		deploy: []policy.Statement{{
			Sid:      "UseSnapshots",
			Effect:   policy.Allow,
			Action:   []string{"elasticache:CreateReplicationGroup", "elasticache:DeleteReplicationGroup"},
			Resource: named,
		}},
	}
}
