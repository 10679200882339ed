package review

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	backuptypes "github.com/aws/aws-sdk-go-v2/service/backup/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"

	"github.com/starttech/infrastructure/config"
)

// maxRestoreDays is the days after which a restore should be tried again. The number is this project's; AWS recommends to do it regularly
// (https://docs.aws.amazon.com/wellarchitected/latest/reliability-pillar/rel_backing_up_data_periodic_recovery_testing_data.html).
const maxRestoreDays = 180

func (r *reviewer) replicationGroup() string { return r.NamePrefix() + "-redis" }

// redisSnapshots reads the age of the newest snapshot. There is one every day.
func (r *reviewer) redisSnapshots(ctx context.Context, a *answer) error {
	if r.Cache.SnapshotRetentionDays == 0 {
		a.ok("cache.snapshotRetentionDays: 0 turns snapshots off")
		return nil
	}
	client := elasticache.NewFromConfig(r.settings)
	count, newest := 0, time.Time{}
	pages := elasticache.NewDescribeSnapshotsPaginator(client, &elasticache.DescribeSnapshotsInput{ReplicationGroupId: aws.String(r.replicationGroup())})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, snapshot := range page.Snapshots {
			if aws.ToString(snapshot.SnapshotStatus) != "available" {
				continue
			}
			count++
			for _, node := range snapshot.NodeSnapshots {
				if t := aws.ToTime(node.SnapshotCreateTime); t.After(newest) {
					newest = t
				}
			}
		}
	}
	const action = "aws elasticache describe-events has the reason"
	switch {
	case count > 0 && r.now.Sub(newest) < 48*time.Hour:
		a.ok("%d snapshots; the newest is of %s", count, day(newest))
		return nil
	case count > 0:
		a.attention(action, "the newest of %d snapshots is %d days old", count, r.days(newest))
		return nil
	}
	groups, err := client.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String(r.replicationGroup())})
	if err != nil {
		return err
	}
	for _, group := range groups.ReplicationGroups {
		if r.now.Sub(aws.ToTime(group.ReplicationGroupCreateTime)) < 48*time.Hour {
			a.unknown("there is no snapshot yet; Redis was created on %s", day(*group.ReplicationGroupCreateTime))
			return nil
		}
	}
	a.attention(action, "there is no snapshot")
	return nil
}

// redisRestore says why it is not known when a restore of Redis was last tried. A restore creates a replication group. ElastiCache keeps events
// for 14 days only (https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeEvents.html), and those do not say from which
// snapshot.
func (r *reviewer) redisRestore(_ context.Context, a *answer) error {
	a.unknown("ElastiCache does not record when a restore was last tried")
	return nil
}

// backedUp returns the buckets that AWS Backup selects: the site, and the account's states.
func (r *reviewer) backedUp() []string {
	buckets := []string{config.StateBucket(r.Account)}
	if bucket, err := r.Output("frontend_bucket"); err == nil {
		buckets = append(buckets, bucket)
	}
	return buckets
}

func bucketARN(bucket string) *string { return aws.String("arn:aws:s3:::" + bucket) }

// recoveryPoints reads the age of the newest recovery point of a bucket.
func (r *reviewer) recoveryPoints(ctx context.Context, a *answer, bucket string) error {
	count, newest := 0, time.Time{}
	pages := backup.NewListRecoveryPointsByBackupVaultPaginator(backup.NewFromConfig(r.settings), &backup.ListRecoveryPointsByBackupVaultInput{
		BackupVaultName: aws.String(config.BackupVault), ByResourceArn: bucketARN(bucket),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, point := range page.RecoveryPoints {
			if point.Status == backuptypes.RecoveryPointStatusCompleted || point.Status == backuptypes.RecoveryPointStatusAvailable {
				count++
				if t := aws.ToTime(point.CreationDate); t.After(newest) {
					newest = t
				}
			}
		}
	}
	const action = "aws backup list-backup-jobs --by-state FAILED has the reason"
	most := r.Backup.DaysBetween() + 1 // a backup has hours to start and to end
	switch {
	case count == 0:
		a.attention(action, "there is no backup")
	case r.days(newest) > most:
		a.attention(action, "the newest of %d backups is %d days old; the schedule has one every %d", count, r.days(newest), r.Backup.DaysBetween())
	default:
		a.ok("%d backups; the newest is of %s", count, day(newest))
	}
	return nil
}

// restores reads when a restore of a bucket was last completed
// (https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRestoreJobsByProtectedResource.html).
func (r *reviewer) restores(ctx context.Context, a *answer, bucket string) error {
	newest := time.Time{}
	pages := backup.NewListRestoreJobsByProtectedResourcePaginator(backup.NewFromConfig(r.settings), &backup.ListRestoreJobsByProtectedResourceInput{
		ResourceArn: bucketARN(bucket), ByStatus: backuptypes.RestoreJobStatusCompleted,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, job := range page.RestoreJobs {
			if t := aws.ToTime(job.CompletionDate); t.After(newest) {
				newest = t
			}
		}
	}
	const action = "restore a backup into a new bucket, and compare the files: docs/components.md"
	switch {
	case newest.IsZero():
		a.attention(action, "AWS Backup lists no completed restore")
	case r.days(newest) > maxRestoreDays:
		a.attention(action, "the last restore is of %s, %d days ago", day(newest), r.days(newest))
	default:
		a.ok("the last restore is of %s", day(newest))
	}
	return nil
}
