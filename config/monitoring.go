package config

// Monitoring is CloudWatch and SNS.
type Monitoring struct {
	// Days that log events are kept.
	//
	// AWS's values: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html.
	LogRetentionDays int `json:"logRetentionDays" jsonschema:"enum=1,enum=3,enum=5,enum=7,enum=14,enum=30,enum=60,enum=90,enum=120,enum=150,enum=180,enum=365,enum=400,enum=545,enum=731,enum=1096,enum=1827,enum=2192,enum=2557,enum=2922,enum=3288,enum=3653" change:"free"`
	// Recipients of alarms; each address has to confirm its subscription.
	//
	// SNS sends the request for it (https://docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html).
	AlarmEmails []string `json:"alarmEmails" jsonschema:"uniqueItems=true,format=email" change:"free"`
}

func defaultMonitoring() Monitoring { return Monitoring{LogRetentionDays: 30, AlarmEmails: []string{}} }

// check refuses addresses that differ only in punctuation: their subscriptions would have the same id.
func (m Monitoring) check(at place, _ Environment) {
	seen := map[string]int{}
	for i, email := range m.AlarmEmails {
		id := IDSafe(email)
		if first, ok := seen[id]; ok {
			at.key("alarmEmails").item(i).problem("%q differs from item %d only in punctuation", email, first+1)
		}
		seen[id] = i
	}
}
