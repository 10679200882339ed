package claims

import (
	"encoding/json"
	"testing"
)

func TestRedisIsInThePrivateSubnets(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, redis := s.Only(t, "aws_elasticache_replication_group")
		group := s.Resource(t, addressOf(redis.Text("subnet_group_name")))
		equalSets(t, "subnets", group.Strings("subnet_ids"), refs("id", subnets(t, s, false)...))
	})
}

// AWS refuses failover without a replica, a snapshot window without snapshots, and a TLS mode without TLS.
func TestRedisHasWhatItsReplicasSnapshotsAndTLSAllow(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		cache := s.Environment().Cache
		_, redis := s.Only(t, "aws_elasticache_replication_group")
		redis.Want(t, float64(1+cache.Replicas), "num_cache_clusters")
		redis.Want(t, cache.Replicas > 0, "automatic_failover_enabled")
		redis.Want(t, cache.Replicas > 0, "multi_az_enabled")
		redis.Want(t, float64(cache.SnapshotRetentionDays), "snapshot_retention_limit")
		redis.Want(t, cache.TransitEncryption != "off", "transit_encryption_enabled")
		for attribute, value := range map[string]any{
			"snapshot_window": valueIf(cache.SnapshotRetentionDays > 0, cache.SnapshotWindow), "transit_encryption_mode": valueIf(cache.TransitEncryption != "off", cache.TransitEncryption),
		} {
			redis.Want(t, value, attribute)
		}
	})
}

// valueIf is a value, or nil.
func valueIf(condition bool, value any) any {
	if condition {
		return value
	}
	return nil
}

func TestUntaggedImagesAndAllButTheNewestExpire(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, lifecycle := s.Only(t, "aws_ecr_lifecycle_policy")
		lifecycle.Want(t, ref("aws_ecr_repository.backend_images", "name"), "repository")
		type selection struct {
			TagStatus, CountType, CountUnit string
			CountNumber                     int
		}
		type rule struct {
			RulePriority int // ECR requires the rule on any image to be the last one
			Selection    selection
			Action       struct{ Type string }
		}
		var policy struct{ Rules []rule }
		if err := json.Unmarshal([]byte(lifecycle.Text("policy")), &policy); err != nil {
			t.Fatal(err)
		}
		expire := struct{ Type string }{"expire"}
		equal(t, "rules", policy.Rules, []rule{
			{1, selection{"untagged", "sinceImagePushed", "days", s.Environment().Registry.UntaggedDays}, expire},
			{2, selection{"any", "imageCountMoreThan", "", s.Environment().Registry.KeepImages}, expire},
		})
	})
}

// The types of protected resources, in any environment: what holds data, and what cannot be replaced under a running system.
func TestWhatCannotBeReplacedIsProtectedIfTheFileSaysSo(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		protected := s.Environment().DeletionProtection
		for _, kind := range []string{
			"aws_s3_bucket", "aws_ecr_repository", "aws_elasticache_replication_group", "aws_cloudwatch_log_group",
			"aws_vpc", "aws_subnet", "aws_lb", "aws_cloudfront_distribution",
		} {
			for address, r := range s.OfType(kind) {
				if refuses, _ := r.Get("lifecycle", "prevent_destroy").(bool); refuses != protected {
					t.Errorf("%s: prevent_destroy is %v", address, refuses)
				}
			}
		}
		s.Resource(t, "aws_s3_bucket.frontend").Want(t, !protected, "force_destroy") // a destroy empties it
		s.Resource(t, "aws_ecr_repository.backend_images").Want(t, !protected, "force_delete")
		for address, r := range s.Resources() {
			if !protected && r.Get("lifecycle", "prevent_destroy") == true {
				t.Errorf("%s cannot be destroyed", address)
			}
		}
	})
}
