package claims

import (
	"testing"
)

func TestRedisIsOfTheEngineAndTheSnapshotsOfTheFile(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		block, redis := s.Environment().Cache, s.Resource(t, "aws_elasticache_replication_group.redis")
		equal(t, "engine", redis.Text("engine"), block.Engine)
		equal(t, "version", redis.Text("engine_version"), block.EngineVersion)
		equal(t, "snapshot", redis.Text("snapshot_name"), block.RestoreFrom)
		equal(t, "last snapshot", redis.Text("final_snapshot_identifier"), block.FinalSnapshot)
		redis.Want(t, nil, "parameter_group_name") // AWS's default of the engine, which a change of the engine changes
		redis.Want(t, nil, "cluster_mode")         // the backend's client does not speak the protocol of clusters
	})
}

func TestADeployUsesOnlyTheSnapshotsOfTheFiles(t *testing.T) {
	for bootstrap, want := range map[string][]string{
		"bootstrap-200000000009": {
			"arn:aws:elasticache:eu-west-1:200000000009:snapshot:before-valkey", "arn:aws:elasticache:eu-west-1:200000000009:snapshot:last-of-valkey",
		},
		"bootstrap-200000000001": nil,
	} {
		var got []string
		for _, statement := range component(t, bootstrap).AttachedStatements(t, "aws_iam_role.deploy_role") {
			if statement.Sid == "UseSnapshots" {
				got = append(got, statement.Resource...)
			}
		}
		equalSets(t, "snapshots of "+bootstrap, got, want)
	}
}
