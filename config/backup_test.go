package config

import "testing"

func TestDaysBetweenTwoBackups(t *testing.T) {
	for schedule, want := range map[string]int{
		"cron(0 2 * * ? *)":          1,
		"cron(0 0/6 * * ? *)":        1,
		"cron(30 2,14 ? * * *)":      1,
		"cron(0 2 ? * MON-FRI *)":    3,
		"cron(0 2 ? * 2-6 *)":        3, // the same: 1 is SUN
		"cron(0 2 ? * 1,4 *)":        4,
		"cron(0 2 ? * SUN *)":        7,
		"cron(0 2 1,15 * ? *)":       17,
		"cron(0 2 * 1-11 ? *)":       32, // none in December
		"cron(0 2 L * ? *)":          31,
		"cron(0 2 ? * 6#3 *)":        35,
		"cron(0 2 ? * 0 *)":          0, // in AWS's format, there is no day 0
		"cron(0 2 ? * 8 *)":          0,
		"cron(0 2 * * * *)":          0,
		"cron(0 2 ? * ? *)":          0,
		"cron(60 2 * * ? *)":         0,
		"cron(0 2 31 FEB ? *)":       0,
		"rate(1 day)":                0,
		"cron(0 2 * * ? 2027)":       0,
		"cron(0 2 32 * ? *)":         0,
		"cron(0 2 ? * MON-FRIDAY *)": 0,
		"cron(0 2 ? * MON/2 *)":      3,
		"cron(0 2 15W * ? *)":        32,
		"cron(0 2 ? * FRIL *)":       35,
		"cron(0 2 ? * 6L *)":         35,
		"cron(0 ? * * ? *)":          0, // only a day has ?
		"cron(0 2 * ? ? *)":          0,
		"cron(0 MON * * ? *)":        0,
		"cron(0 2 MON * ? *)":        0,
		"cron(0 2 * MON ? *)":        0,
		"cron(0 2 ? * JAN *)":        0,
		"cron(0 2 1,? * ? *)":        0,
		"cron(0 2 ? * 2#1,4#3 *)":    0,
		"cron(0 2 1 * MON *)":        0, // both days
		"cron(0 2 ? * MON#6 *)":      0,
		"cron(0 0/30 * * ? *)":       0,
	} {
		if got := (Backup{Schedule: schedule}).DaysBetween(); got != want {
			t.Errorf("%s: %d days, want %d", schedule, got, want)
		}
	}
}
