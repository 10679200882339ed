package instances

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// A finding of severity 7 or more reaches the topic in words, and no other does. AWS accepts no events of the source aws.guardduty, so the
// stack's rule listens to another source here.
func TestFindingsReachTheTopicInWords(t *testing.T) {
	t.Parallel()
	stack := harness.Components(t).Stack(t, "everything")
	e := start(t)
	topic, queue := createTopic(t, e, stack)
	notify(t, e, stack, topic)
	for _, severity := range []string{"3", "6.9", "8", "7"} {
		e.finding(t, severity)
	}
	var got []string
	waitFor(t, "two messages", func() (bool, any) {
		got = append(got, e.messages(t, queue)...)
		return len(got) >= 2, got
	})
	time.Sleep(time.Second) // for the others
	got = append(got, e.messages(t, queue)...)
	slices.Sort(got)
	want := func(severity string) string {
		return `"GuardDuty, severity ` + severity + ` of 10, in account 123456789012, eu-west-1: An instance queries a domain of a botnet."
"The instance i-1 asks for x.example."
"It has occurred 3 times, the last time at 2026-11-26T08:00:00Z. Resource: Instance. Type: Backdoor:EC2/C&CActivity.B!DNS."
"https://eu-west-1.console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings?search=id%3Df1"
"Runbook: https://github.com/starttech/infrastructure/blob/main/docs/runbook.md#guardduty"`
	}
	harness.Equal(t, "messages", got, []string{want("7"), want("8")})
}

// EventBridge does not reach a topic whose policy does not allow it, as that of an environment without GuardDuty. With a condition on the
// source it does not either.
func TestFindingsDoNotReachATopicWithoutPermission(t *testing.T) {
	t.Parallel()
	e := start(t)
	topic, queue := createTopic(t, e, harness.Reference(t).Stack(t, "production"))
	stack := harness.Components(t).Stack(t, "everything")
	notify(t, e, stack, topic)
	expectNone := func(what string) {
		t.Helper()
		e.finding(t, "8")
		time.Sleep(2 * time.Second)
		if got := e.messages(t, queue); len(got) > 0 {
			t.Errorf("%s: %q", what, got)
		}
	}
	expectNone("a policy for alarms only")
	policy := strings.ReplaceAll(topicPolicy(t, harness.Reference(t).Stack(t, "production"), topic), "cloudwatch.amazonaws.com", "events.amazonaws.com")
	e.call(t, "sns SetTopicAttributes", "TopicArn="+topic, "AttributeName=Policy", "AttributeValue="+policy)
	expectNone("a policy with a condition")
}

// notify creates the rule of the stack and its target.
func notify(t *testing.T, e *emulator, stack harness.Stack, topic string) {
	t.Helper()
	rule := stack.Resource(t, "aws_cloudwatch_event_rule.guardduty_findings")
	pattern := strings.Replace(rule.Text("event_pattern"), "aws.guardduty", "test.guardduty", 1)
	e.events(t, "PutRule", map[string]any{"Name": rule.Text("name"), "EventPattern": pattern})
	target := stack.Resource(t, "aws_cloudwatch_event_target.guardduty_to_alarms")
	e.events(t, "PutTargets", map[string]any{"Rule": rule.Text("name"), "Targets": []any{map[string]any{
		"Id": "alarms", "Arn": topic, "InputTransformer": map[string]any{
			"InputPathsMap": target.Get("input_transformer", "input_paths"), "InputTemplate": target.Get("input_transformer", "input_template"),
		},
	}}})
}

// finding sends a finding in its format for EventBridge.
func (e *emulator) finding(t *testing.T, severity string) {
	t.Helper()
	detail := `{"severity": ` + severity + `, "type": "Backdoor:EC2/C&CActivity.B!DNS", "title": "An instance queries a domain of a botnet.",
		"description": "The instance i-1 asks for x.example.", "accountId": "123456789012", "id": "f1", "resource": {"resourceType": "Instance"},
		"service": {"count": 3, "eventLastSeen": "2026-11-26T08:00:00Z"}}`
	var sent struct{ FailedEntryCount int }
	check(t, json.Unmarshal(e.events(t, "PutEvents", map[string]any{"Entries": []any{map[string]any{
		"Source": "test.guardduty", "DetailType": "GuardDuty Finding", "Detail": detail,
	}}}), &sent))
	harness.Equal(t, "refused events", sent.FailedEntryCount, 0)
}

func (e *emulator) events(t *testing.T, action string, input any) []byte {
	t.Helper()
	body, err := json.Marshal(input)
	check(t, err)
	headers := map[string]string{"X-Amz-Target": "AWSEvents." + action, "Content-Type": "application/x-amz-json-1.1"}
	status, content := e.send(t, "events", http.MethodPost, "/", headers, string(body))
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", action, status, content)
	}
	return content
}

// messages reads the messages of the topic in the queue.
func (e *emulator) messages(t *testing.T, queue string) (messages []string) {
	t.Helper()
	for {
		var received struct {
			Messages []struct{ Body, ReceiptHandle string }
		}
		e.sqs(t, "ReceiveMessage", map[string]any{"QueueUrl": queue, "MaxNumberOfMessages": 10}, &received)
		if len(received.Messages) == 0 {
			return messages
		}
		for _, m := range received.Messages {
			var notification struct{ Message string }
			check(t, json.Unmarshal([]byte(m.Body), &notification))
			messages = append(messages, notification.Message)
			e.sqs(t, "DeleteMessage", map[string]any{"QueueUrl": queue, "ReceiptHandle": m.ReceiptHandle}, nil)
		}
	}
}
