package githubroles

import "github.com/starttech/infrastructure/internal/policy"

// database is the peering connections to MongoDB Atlas. Atlas creates them without a tag, so they are selected by the ids in the files. The
// interface endpoint is in network.
func database(a account, c Config) part {
	var connections []string
	for _, e := range c.Environments {
		if e.Database != nil && e.Database.Peering != nil {
			connections = append(connections, a.arn("ec2", "vpc-peering-connection/"+e.Database.Peering.ConnectionID))
		}
	}
	if len(connections) == 0 {
		return part{}
	}
	return part{
		id:           optional,
		planUnscoped: []string{"ec2:DescribeVpcPeeringConnections"},
		deploy: []policy.Statement{{
			Sid:      "AcceptPeering",
			Effect:   policy.Allow,
			Action:   []string{"ec2:AcceptVpcPeeringConnection", "ec2:CreateTags"},
			Resource: connections,
		}, {
			Sid:       "AcceptPeeringWithProjectVPC",
			Effect:    policy.Allow,
			Action:    []string{"ec2:AcceptVpcPeeringConnection"},
			Resource:  []string{a.arn("ec2", "vpc/*")},
			Condition: onProjectTag,
		}},
		suppressions: []suppression{{
			"AcceptVpcPeeringConnection has two statements, because Atlas's connection has no tag",
			[]string{"RESOURCE_MISMATCH:AcceptPeering", "RESOURCE_MISMATCH:AcceptPeeringWithProjectVPC"},
		}},
	}
}
