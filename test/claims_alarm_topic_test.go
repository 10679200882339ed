package test

import "testing"

// fromAlarms is the condition that only alarms of this account and region meet.
var fromAlarms = map[string]map[string][]string{
	"StringEquals": {"aws:SourceAccount": {"123456789012"}},
	"ArnLike":      {"aws:SourceArn": {"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:*"}},
}

func TestOnlyAlarmsOfThisAccountPublishToTheTopic(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, policy := s.only(t, "aws_sns_topic_policy")
		policy.want(t, ref("aws_sns_topic.alarms", "arn"), "arn")
		equal(t, "policy", policy.statements(t, "policy"), []statement{{
			Sid:       "AllowCloudWatchAlarms",
			Effect:    "Allow",
			Principal: map[string][]string{"Service": {"cloudwatch.amazonaws.com"}},
			Action:    []string{"sns:Publish"},
			Resource:  refs("arn", "aws_sns_topic.alarms"),
			Condition: fromAlarms,
		}})
	})
}

func TestTheTopicIsEncryptedByAKeyThatAlarmsMayUse(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, topic := s.only(t, "aws_sns_topic")
		key := s.resource(t, addressOf(topic.text("kms_master_key_id")))
		key.want(t, true, "enable_key_rotation")

		for _, statement := range key.statements(t, "policy") {
			switch statement.Sid {
			case "EnableIAMUserPermissions":
				equal(t, "administrator", statement.Principal, map[string][]string{"AWS": {"arn:aws:iam::123456789012:root"}})
			case "AllowCloudWatchAlarms":
				equal(t, "user", statement.Principal, map[string][]string{"Service": {"cloudwatch.amazonaws.com"}})
				equalSets(t, "actions", statement.Action, []string{"kms:Decrypt", "kms:GenerateDataKey*"})
				equal(t, "condition", statement.Condition, fromAlarms)
			default:
				t.Errorf("another statement: %+v", statement)
			}
		}
		if n := len(key.statements(t, "policy")); n != 2 {
			t.Errorf("%d statements, want 2: without them alarms cannot publish, or nobody can change the key", n)
		}
	})
}

func TestThoseInTheFileAreTold(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		var told []string
		for _, subscription := range s.ofType("aws_sns_topic_subscription") {
			subscription.want(t, "email", "protocol")
			subscription.want(t, ref("aws_sns_topic.alarms", "arn"), "topic_arn")
			told = append(told, subscription.text("endpoint"))
		}
		var want []string
		if s.name == "open" {
			want = []string{"ops@example.com"}
		}
		equal(t, "told", told, want)
	})
}
