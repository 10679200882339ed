package config

import (
	"regexp"
	"strconv"
	"time"

	"github.com/adhocore/gronx"
)

// Backup is AWS Backup: the vault, the plan and the role of an account, and which of its buckets are in the plan.
type Backup struct {
	// When a backup starts, in UTC, at least every six days and at most every hour: cron(MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK *), with ?
	// as one of the two days.
	//
	// AWS's format, and its minimum of an hour: https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html, and
	// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html for the six fields. The maximum is that of an alarm, which
	// looks at seven days at most (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html).
	Schedule string `json:"schedule" jsonschema:"pattern=^cron\\([0-5]?[0-9]( [0-9A-Z?*\\,/#-]+){4} \\*\\)$" change:"free: deploy bootstrap, which has the plan, and then the environments, which have the alarm on a missed backup"`
	// Days that a backup is kept. Backups that exist keep the number that they were made with.
	//
	// AWS's limit: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Lifecycle.html. There is no key for cold storage, because AWS Backup has it
	// for EBS, EFS and DynamoDB only (https://aws.amazon.com/backup/pricing/).
	RetentionDays int `json:"retentionDays" jsonschema:"minimum=1,maximum=36500" change:"free: deploy bootstrap, which has the plan"`
	// Key of the vaults: AWS's own, or one of the account's.
	//
	// A vault cannot change its key (https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupVault.html).
	KMSKey string `json:"kmsKey" jsonschema:"enum=aws,enum=own" change:"refused: by the deploy of bootstrap, because a vault keeps its key. Remove the block, delete the backups, and add the block again."`
	// Vault Lock: nobody deletes a backup, or shortens its retention.
	VaultLock *VaultLock `json:"vaultLock,omitempty"`
	// Region that every backup is copied to, eu-central-1.
	//
	// The codes are region's.
	CopyToRegion string `json:"copyToRegion,omitempty" jsonschema:"pattern=^[a-z]{2\\,4}(-[a-z]+)+-[0-9]$" change:"free: to add it; deploy bootstrap. Before it is changed or removed, set copyRetentionDays: 0, delete the copies, and deploy bootstrap; otherwise the deploy of bootstrap refuses."`
	// Days that a copy is kept. 0 ends the copies and deletes their vault, which has to be empty.
	//
	// The limit is retentionDays's.
	CopyRetentionDays int `json:"copyRetentionDays" jsonschema:"minimum=0,maximum=36500" change:"free: deploy bootstrap, which has the plan"`
}

// VaultLock is the protection of the vaults against deletion. It applies to the copies, too.
type VaultLock struct {
	// governance: who has the permission can remove the lock. compliance: nobody can, from the end of graceDays on.
	//
	// AWS's two modes: https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html.
	Mode string `json:"mode" jsonschema:"required,enum=governance,enum=compliance" change:"free: deploy bootstrap. Nobody can undo compliance after graceDays."`
	// Least days that a backup in the vault has to be kept. Without it, there is no minimum.
	//
	// AWS's limits: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html.
	MinRetentionDays int `json:"minRetentionDays,omitempty" jsonschema:"minimum=1,maximum=36500" change:"free: deploy bootstrap. AWS refuses it after graceDays."`
	// Most days that a backup in the vault may be kept. Without it, there is no maximum.
	//
	// The limits are minRetentionDays's.
	MaxRetentionDays int `json:"maxRetentionDays,omitempty" jsonschema:"minimum=1,maximum=36500" change:"free: deploy bootstrap. AWS refuses it after graceDays."`
	// Days after the deploy of bootstrap during which a lock of the mode compliance can still be changed or removed.
	//
	// AWS's limits: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html.
	GraceDays int `json:"graceDays,omitempty" jsonschema:"minimum=3,maximum=36500" change:"free: deploy bootstrap. AWS counts from then on, and refuses it after graceDays."`
}

func defaultBackup() Backup {
	return Backup{
		Schedule:          "cron(0 2 * * ? *)", // a day in UTC, when the snapshot window of Redis has ended
		RetentionDays:     35,
		KMSKey:            "aws",
		CopyRetentionDays: 35,
	}
}

// maxDaysBetween is the most days between two backups. An alarm looks at seven days at most, of which a backup may take BackupHours.
const maxDaysBetween = 6

// The windows of a backup: AWS cancels one that has not started, or not ended, in time
// (https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRuleInput.html). These are an hour, which is AWS's minimum, and five more. The
// buckets have a few hundred objects.
const (
	BackupStartMinutes      = 60
	BackupCompletionMinutes = 300
)

func (b Backup) check(at place, e Environment) {
	switch days := b.DaysBetween(); {
	case days == 0:
		at.key("schedule").problem("%q is not a schedule of AWS Backup; allowed: cron(MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK *) with ? as one of the two days, as cron(0 2 ? * MON-FRI *)", b.Schedule)
	case days > maxDaysBetween:
		at.key("schedule").problem("%q has up to %d days between two backups; the maximum is %d", b.Schedule, days, maxDaysBetween)
	}
	copies := b.CopyToRegion != "" && b.CopyRetentionDays > 0
	switch {
	case b.CopyToRegion == e.Region:
		at.key("copyToRegion").problem("%q is the region of the environment; allowed: another one", b.CopyToRegion)
	case Environment{Region: b.CopyToRegion}.isInOtherPartition():
		at.key("copyToRegion").problem("%q is in another partition than aws; allowed: regions of the partition aws, as eu-central-1", b.CopyToRegion)
	}
	if b.VaultLock == nil {
		return
	}
	lock, here := *b.VaultLock, at.key("vaultLock")
	switch {
	case lock.Mode == "compliance" && lock.GraceDays == 0:
		here.problem("compliance needs graceDays, at least 3")
	case lock.Mode == "governance" && lock.GraceDays != 0:
		here.key("graceDays").problem("%d is not allowed with governance, which can be removed at any time", lock.GraceDays)
	}
	if lock.MaxRetentionDays != 0 && lock.MinRetentionDays > lock.MaxRetentionDays {
		here.key("minRetentionDays").problem("%d is more than maxRetentionDays, %d", lock.MinRetentionDays, lock.MaxRetentionDays)
		return
	}
	for _, kept := range []struct {
		key    string
		days   int
		stored bool
	}{{"retentionDays", b.RetentionDays, true}, {"copyRetentionDays", b.CopyRetentionDays, copies}} {
		switch {
		case kept.stored && kept.days < lock.MinRetentionDays:
			at.key(kept.key).problem("%d is less than vaultLock.minRetentionDays, %d; the vault would refuse every backup", kept.days, lock.MinRetentionDays)
		case kept.stored && lock.MaxRetentionDays != 0 && kept.days > lock.MaxRetentionDays:
			at.key(kept.key).problem("%d is more than vaultLock.maxRetentionDays, %d; the vault would refuse every backup", kept.days, lock.MaxRetentionDays)
		}
	}
}

// weekday is a number of a day of the week in AWS's format, in which 1 is SUN. Numbers after / and # are others.
var weekday = regexp.MustCompile(`(^|[,-])[0-9]+`)

// DaysBetween is the most days between two backups: 1 if there is one every day. It is 0 if the schedule is not valid.
func (b Backup) DaysBetween() int {
	fields := scheduleFields.FindStringSubmatch(b.Schedule)
	if fields == nil || !isBackupSchedule(fields) {
		return 0
	}
	valid := true
	days := weekday.ReplaceAllStringFunc(fields[5], func(text string) string {
		separator, number := "", text
		if text[0] == ',' || text[0] == '-' {
			separator, number = text[:1], text[1:]
		}
		day, err := strconv.Atoi(number)
		valid = valid && err == nil && day >= 1 && day <= 7
		return separator + strconv.Itoa(day-1)
	})
	if !valid || !gronx.IsValid("0 "+fields[1]+" "+fields[2]+" "+fields[3]+" "+fields[4]+" "+days) {
		return 0
	}
	midnight := "0 0 0 " + fields[3] + " " + fields[4] + " " + days + " *"
	most := time.Duration(0)
	last, end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2028, 4, 1, 0, 0, 0, 0, time.UTC)
	for last.Before(end) {
		next, err := gronx.NextTickAfter(midnight, last, false)
		if err != nil {
			return 0
		}
		most, last = max(most, next.Sub(last)), next
	}
	return int(most / day)
}

// scheduleFields are the six fields of a schedule that the schema's pattern has accepted.
var scheduleFields = regexp.MustCompile(`^cron\((\S+) (\S+) (\S+) (\S+) (\S+) \*\)$`)

// Days of EventBridge's cron that are not values: the last day of the month, the weekday nearest to a day, the last of a weekday, and a number of it.
var (
	specialDay     = regexp.MustCompile(`^(L|([1-9]|[12][0-9]|3[01])W)$`)
	specialWeekday = regexp.MustCompile(`^([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])$`)
)

// isBackupSchedule reports whether the fields have what EventBridge accepts in each: names of months and of weekdays only in their own field, and
// ? in exactly one of the two days (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html).
func isBackupSchedule(fields []string) bool {
	for i, field := range []cronField{minuteField, hourField, dayField, monthField, {1, 7, weekdayNames}} {
		text := fields[i+1]
		if i == 2 && specialDay.MatchString(text) || i == 4 && specialWeekday.MatchString(text) || (i == 2 || i == 4) && text == "?" {
			continue
		}
		if _, ok := field.parse(text); !ok {
			return false
		}
	}
	return (fields[3] == "?") != (fields[5] == "?")
}
