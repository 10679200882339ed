package test

import "testing"

func TestRedisLivesInThePrivateTier(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, redis := s.only(t, "aws_elasticache_replication_group")
		group := addressOf(redis.text("subnet_group_name"))
		equalSets(t, "subnets", s.resource(t, group).strings("subnet_ids"), refs("id", s.privateSubnets(t)...))
	})
}

func TestRedisIsTheVersionAndSizeInTheFile(t *testing.T) {
	for name, snapshots := range map[string]any{"production": "01:00-02:00", "staging": nil} { // staging takes none
		_, redis := variant(t, name).only(t, "aws_elasticache_replication_group")
		redis.want(t, "redis", "engine")
		redis.want(t, "7.1", "engine_version")
		redis.want(t, "cache.t3.micro", "node_type")
		redis.want(t, 6379.0, "port")
		redis.want(t, "sun:03:00-sun:04:00", "maintenance_window")
		redis.want(t, snapshots, "snapshot_window")
	}
}

func TestAReplicaTakesOverInAnotherZone(t *testing.T) {
	for name, test := range map[string]struct {
		nodes    float64
		failover bool
	}{
		"production": {2, true},
		"staging":    {1, false}, // AWS refuses failover without a replica
		"open":       {1, false},
	} {
		_, redis := variant(t, name).only(t, "aws_elasticache_replication_group")
		redis.want(t, test.nodes, "num_cache_clusters")
		redis.want(t, test.failover, "automatic_failover_enabled")
		redis.want(t, test.failover, "multi_az_enabled")
	}
}

func TestSnapshotsAreKeptForTheDaysInTheFile(t *testing.T) {
	for name, days := range map[string]float64{"production": 7, "staging": 0} {
		_, redis := variant(t, name).only(t, "aws_elasticache_replication_group")
		redis.want(t, days, "snapshot_retention_limit")
	}
}

func TestRedisIsEncryptedAtRest(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, redis := s.only(t, "aws_elasticache_replication_group")
		redis.want(t, "true", "at_rest_encryption_enabled")
	})
}

func TestRedisSpeaksTLSAsTheFileSays(t *testing.T) {
	for name, test := range map[string]struct{ enabled, mode any }{
		"production": {true, "preferred"}, // the backend's client speaks no TLS
		"staging":    {true, "preferred"},
		"modern":     {true, "required"},
		"open":       {false, nil}, // AWS refuses a mode without encryption
	} {
		_, redis := variant(t, name).only(t, "aws_elasticache_replication_group")
		redis.want(t, test.enabled, "transit_encryption_enabled")
		redis.want(t, test.mode, "transit_encryption_mode")
	}
}
