package backup

import (
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/modules/monitoring"
)

// NewAlarms creates the alarms on the jobs of the account's vault, and returns their graph. Each environment with the block has them, for its
// own topic.
//
// The metrics have the dimension of the vault, and no data without jobs (https://docs.aws.amazon.com/aws-backup/latest/devguide/cloudwatch.html).
// NumberOfBackupJobsExpired counts jobs that were not started in time, and NumberOfRecoveryPointsExpired backups that AWS could not delete at the
// end of their retention.
func NewAlarms(scope constructs.Construct, alarms monitoring.Alarms, b config.Backup) monitoring.Graph {
	jobs := func(name string) monitoring.Metric {
		return monitoring.Metric{Namespace: "AWS/Backup", Name: name, Dimensions: []string{"BackupVaultName", config.BackupVault}, Statistic: "Sum"}
	}
	completed := jobs("NumberOfBackupJobsCompleted")
	failures := []monitoring.Metric{jobs("NumberOfBackupJobsFailed"), jobs("NumberOfBackupJobsAborted"), jobs("NumberOfBackupJobsExpired"), jobs("NumberOfRecoveryPointsExpired")}
	alarms.New(scope, monitoring.Alarm{
		ID: "backup_failed", Name: "backup-failed",
		Description: "A backup job of the account failed, was cancelled, or was not started in time; or an old backup could not be deleted",
		SumOf:       failures,
		SumLabel:    "backup jobs",
		Comparison:  monitoring.GreaterThan, Threshold: 0, PeriodSeconds: 60 * monitoring.Minute, TreatMissingData: monitoring.NotBreaching,
	})
	alarms.New(scope, monitoring.Alarm{
		ID: "backup_missed", Name: "backup-missed",
		Description: "No backup job of the account was completed in the time between two backups",
		Metric:      completed,
		Comparison:  monitoring.LessThan, Threshold: 1, PeriodSeconds: 60 * monitoring.Minute, EvaluationPeriods: missedHours(b), TreatMissingData: monitoring.Breaching,
	})
	return monitoring.Graph{Title: "Backup jobs of the account", Metrics: append([]monitoring.Metric{completed}, failures...)}
}

// missedHours is the hours after a completed backup within which the next one is completed: the time between two, and both windows.
func missedHours(b config.Backup) int {
	return b.DaysBetween()*24 + (config.BackupStartMinutes+config.BackupCompletionMinutes)/60
}
