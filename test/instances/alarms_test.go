package instances

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// alarmTimeFactor makes two seconds of five minutes, the shortest period of an alarm with one period, and 24 of an hour.
const alarmTimeFactor = 150

// Each alarm of production goes to ALARM and back to OK by the data of its own metrics, and by their absence. The topic is told of
// every change, and its policy is the one in the stack.
func TestAlarmsOfTheStack(t *testing.T) {
	t.Parallel()
	stack := harness.Reference(t).Stack(t, "production")
	e := startFaster(t, alarmTimeFactor)
	topic, queue := createTopic(t, e, stack)

	alarms := newStackAlarms(e, queue)
	for _, arguments := range stack.OfType("aws_cloudwatch_metric_alarm") {
		alarms.create(t, arguments, map[string]string{harness.Ref("aws_sns_topic.alarms", "arn"): topic})
	}
	if len(alarms.silenceIs) < 10 {
		t.Errorf("%d alarms: %v", len(alarms.silenceIs), alarms.silenceIs)
	}

	alarms.expect(t, "normal", alarms.normal, func(string) string { return "OK" })
	alarms.expect(t, "crossing", alarms.crossing, func(string) string { return "ALARM" })
	alarms.expect(t, "silence after the alarm", nil, func(silenceIs string) string { return silenceIs })
	alarms.expect(t, "normal again", alarms.normal, func(string) string { return "OK" })
	alarms.expect(t, "silence", nil, func(silenceIs string) string { return silenceIs })

	want := map[string][]string{}
	for name, silenceIs := range alarms.silenceIs {
		want[name] = []string{"OK", "ALARM", "OK"}
		if silenceIs == "ALARM" {
			want[name] = []string{"OK", "ALARM", "OK", "ALARM"}
		}
	}
	waitFor(t, "the notifications", func() (bool, any) {
		alarms.receive(t)
		diff := cmp.Diff(want, alarms.history)
		return diff == "", diff
	})
}

// CloudWatch does not reach a topic whose policy does not allow it.
func TestAlarmOfATopicWithoutPermission(t *testing.T) {
	t.Parallel()
	stack := harness.Reference(t).Stack(t, "production")
	e := startFaster(t, alarmTimeFactor)
	topic, queue := createTopic(t, e, stack)
	policy := strings.Replace(topicPolicy(t, stack, topic), `"cloudwatch.amazonaws.com"`, `"events.amazonaws.com"`, 1)
	e.call(t, "sns SetTopicAttributes", "TopicArn="+topic, "AttributeName=Policy", "AttributeValue="+policy)

	alarms := newStackAlarms(e, queue)
	alarms.create(t, stack.Resource(t, "aws_cloudwatch_metric_alarm.high_cpu"), map[string]string{harness.Ref("aws_sns_topic.alarms", "arn"): topic})
	alarms.expect(t, "crossing", alarms.crossing, func(string) string { return "ALARM" })
	alarms.expect(t, "normal", alarms.normal, func(string) string { return "OK" })
	alarms.receive(t)
	if len(alarms.history) > 0 {
		t.Errorf("the queue has notifications: %v", alarms.history)
	}
}

func topicPolicy(t *testing.T, stack harness.Stack, topic string) string {
	t.Helper()
	return strings.ReplaceAll(stack.Resource(t, "aws_sns_topic_policy.alarms_policy").Text("policy"), harness.Ref("aws_sns_topic.alarms", "arn"), topic)
}

// createTopic creates the topic of the stack with its policy, and a queue that gets its messages.
func createTopic(t *testing.T, e *emulator, stack harness.Stack) (topic, queue string) {
	t.Helper()
	topic = e.call(t, "sns CreateTopic", "Name="+stack.Resource(t, "aws_sns_topic.alarms").Text("name")).text("CreateTopicResult/TopicArn")
	e.call(t, "sns SetTopicAttributes", "TopicArn="+topic, "AttributeName=Policy", "AttributeValue="+topicPolicy(t, stack, topic))
	const queueARN = "arn:aws:sqs:" + region + ":123456789012:alarms"
	const queuePolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queueARN + `"}}`
	var created struct{ QueueUrl string }
	e.sqs(t, "CreateQueue", map[string]any{"QueueName": "alarms", "Attributes": map[string]string{"Policy": queuePolicy}}, &created)
	e.call(t, "sns Subscribe", "TopicArn="+topic, "Protocol=sqs", "Endpoint="+queueARN)
	return topic, created.QueueUrl
}

func (e *emulator) sqs(t *testing.T, action string, input, output any) {
	t.Helper()
	body, err := json.Marshal(input)
	check(t, err)
	headers := map[string]string{"X-Amz-Target": "AmazonSQS." + action, "Content-Type": "application/x-amz-json-1.0"}
	status, content := e.send(t, "sqs", http.MethodPost, "/", headers, string(body))
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", action, status, content)
	}
	if output != nil {
		check(t, json.Unmarshal(content, output))
	}
}

// data is the parameters of PutMetricData, as NAME=VALUE, by namespace: a data point of each metric.
type data map[string][]string

func (d data) add(metric harness.Resource, value float64) {
	namespace := metric.Text("namespace")
	number := 1
	for _, parameter := range d[namespace] {
		if strings.Contains(parameter, ".MetricName=") {
			number++
		}
	}
	prefix := fmt.Sprintf("MetricData.member.%d.", number)
	form := url.Values{prefix + "MetricName": {metric.Text("metric_name")}, prefix + "Value": {strconv.FormatFloat(value, 'f', -1, 64)}}
	setDimensions(form, prefix, metric.Get("dimensions"))
	d[namespace] = append(d[namespace], pairs(form)...)
}

// stackAlarms are alarms of a stack, on the local AWS.
type stackAlarms struct {
	*emulator
	silenceIs map[string]string   // the state of each alarm without data, by name
	crossing  data                // that is over the threshold, or under it
	normal    data                // that is not
	queue     string              // URL
	history   map[string][]string // the states that the topic was told, by alarm
}

func newStackAlarms(e *emulator, queue string) *stackAlarms {
	return &stackAlarms{emulator: e, queue: queue, silenceIs: map[string]string{}, crossing: data{}, normal: data{}, history: map[string][]string{}}
}

// create creates an alarm from its arguments in Terraform's JSON. resolved are the values of references.
func (s *stackAlarms) create(t *testing.T, arguments harness.Resource, resolved map[string]string) {
	t.Helper()
	parameters := parametersOf(arguments, resolved)
	s.call(t, "monitoring PutMetricAlarm", parameters...)

	name := arguments.Text("alarm_name")
	s.silenceIs[name] = map[string]string{"breaching": "ALARM", "notBreaching": "OK"}[arguments.Text("treat_missing_data")]
	if s.silenceIs[name] == "" {
		t.Errorf("%s: without data, it is %q", name, arguments.Text("treat_missing_data"))
	}
	threshold, _ := arguments.Get("threshold").(float64)
	over, under := threshold+1, 0.0
	metrics := []harness.Resource{arguments}
	for _, query := range list(arguments.Get("metric_query")) {
		if metric, ok := query.(map[string]any)["metric"].(map[string]any); ok {
			metrics = append(metrics, metric)
		}
	}
	for _, metric := range metrics {
		if metric.Text("metric_name") == "" {
			continue // of an alarm with queries
		}
		statistic := metric.Text("statistic") + metric.Text("stat")
		crossing, normal := over, threshold // the threshold itself is not crossed
		if statistic == "Sum" {             // of any number of data points
			normal = under
		}
		if arguments.Text("comparison_operator") == "LessThanThreshold" {
			crossing, normal = under, over
			if statistic != "Sum" {
				normal = threshold
			}
		}
		s.crossing.add(metric, crossing)
		s.normal.add(metric, normal)
	}
}

// expect sends data until each alarm has a state, for a while longer, and checks that they keep it. The state depends on the
// alarm's state without data.
func (s *stackAlarms) expect(t *testing.T, what string, sent data, want func(silenceIs string) string) {
	t.Helper()
	wanted := map[string]string{}
	for name, silenceIs := range s.silenceIs {
		wanted[name] = want(silenceIs)
	}
	var since time.Time // when all alarms have had their states
	waitFor(t, what, func() (bool, any) {
		for namespace, parameters := range sent {
			s.call(t, "monitoring PutMetricData", append(parameters, "Namespace="+namespace)...)
		}
		got := map[string]string{}
		for _, alarm := range s.call(t, "monitoring DescribeAlarms").all("DescribeAlarmsResult/MetricAlarms/member") {
			got[alarm.text("AlarmName")] = alarm.text("StateValue")
		}
		if !maps.Equal(got, wanted) {
			if !since.IsZero() {
				t.Fatalf("%s: the alarms do not keep their states: %s", what, cmp.Diff(wanted, got))
			}
			return false, cmp.Diff(wanted, got)
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) > 3*time.Second, nil // the local AWS evaluates every second
	})
}

// receive reads the messages in the queue.
func (s *stackAlarms) receive(t *testing.T) {
	t.Helper()
	for _, message := range s.messages(t, s.queue) {
		var change struct{ AlarmName, NewStateValue string }
		check(t, json.Unmarshal([]byte(message), &change))
		s.history[change.AlarmName] = append(s.history[change.AlarmName], change.NewStateValue)
	}
}

// parametersOf translates the arguments of an aws_cloudwatch_metric_alarm into the parameters of PutMetricAlarm, as NAME=VALUE.
func parametersOf(arguments harness.Resource, resolved map[string]string) []string {
	form := url.Values{}
	for _, argument := range slices.Sorted(maps.Keys(arguments)) {
		value := arguments[argument]
		switch argument {
		case "//", "depends_on":
		case "dimensions":
			setDimensions(form, "", value)
		case "metric_query":
			for i, query := range list(value) {
				setQuery(form, fmt.Sprintf("Metrics.member.%d.", i+1), query.(map[string]any))
			}
		default:
			if items, ok := value.([]any); ok {
				for i, item := range items {
					text := fmt.Sprint(item)
					if actual, ok := resolved[text]; ok {
						text = actual
					}
					form.Set(fmt.Sprintf("%s.member.%d", parameter(argument), i+1), text)
				}
			} else {
				form.Set(parameter(argument), fmt.Sprint(value))
			}
		}
	}
	return pairs(form)
}

// pairs returns parameters as NAME=VALUE.
func pairs(form url.Values) []string {
	var all []string
	for name := range form {
		all = append(all, name+"="+form.Get(name))
	}
	return all
}

func setQuery(form url.Values, prefix string, query map[string]any) {
	form.Set(prefix+"ReturnData", "false") // the provider's default; the API's is true
	for argument, value := range query {
		metric, isMetric := value.(map[string]any)
		if !isMetric {
			form.Set(prefix+parameter(argument), fmt.Sprint(value))
			continue
		}
		for name, value := range metric {
			switch name {
			case "dimensions":
				setDimensions(form, prefix+"MetricStat.Metric.", value)
			case "namespace", "metric_name":
				form.Set(prefix+"MetricStat.Metric."+parameter(name), fmt.Sprint(value))
			default:
				form.Set(prefix+"MetricStat."+parameter(name), fmt.Sprint(value))
			}
		}
	}
}

func setDimensions(form url.Values, prefix string, dimensions any) {
	values, _ := dimensions.(map[string]any)
	for i, name := range slices.Sorted(maps.Keys(values)) {
		form.Set(fmt.Sprintf("%sDimensions.member.%d.Name", prefix, i+1), name)
		form.Set(fmt.Sprintf("%sDimensions.member.%d.Value", prefix, i+1), fmt.Sprint(values[name]))
	}
}

// parameter returns the API's name of an argument: alarm_name is AlarmName.
func parameter(argument string) string {
	name := ""
	for word := range strings.SplitSeq(argument, "_") {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Replace(name, "OkActions", "OKActions", 1)
}

func list(value any) []any {
	items, _ := value.([]any)
	return items
}
