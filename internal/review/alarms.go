package review

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// alarms finds alarms that reach nobody: without an action, with actions that are disabled, or with topics that have no confirmed subscription.
func (r *reviewer) alarms(ctx context.Context, a *answer) error {
	count, found := 0, len(a.findings)
	for _, region := range r.Regions(r.Firewall != nil) { // with CloudFront's web ACL
		n, err := r.alarmsIn(ctx, a, region)
		if err != nil {
			return err
		}
		count += n
	}
	switch {
	case count == 0:
		a.attention("make deploy ENV="+r.Name, "there is no alarm")
	case len(a.findings) == found:
		a.ok("%d alarms notify somebody", count)
	}
	return nil
}

// alarmsIn reviews the alarms of a region, and returns their number.
func (r *reviewer) alarmsIn(ctx context.Context, a *answer, region string) (count int, err error) {
	prefix := r.NamePrefix() + "-"
	var without, disabled, topics []string
	byTopic := map[string]int{}
	review := func(name *string, enabled *bool, actions []string) {
		count++
		short := strings.TrimPrefix(aws.ToString(name), prefix)
		if len(actions) == 0 {
			without = append(without, short)
		} else if !aws.ToBool(enabled) {
			disabled = append(disabled, short)
		}
		for _, action := range actions {
			if strings.HasPrefix(action, "arn:aws:sns:") {
				byTopic[action]++
			}
		}
	}
	pages := cloudwatch.NewDescribeAlarmsPaginator(cloudwatch.NewFromConfig(r.settings, func(options *cloudwatch.Options) { options.Region = region }), &cloudwatch.DescribeAlarmsInput{
		AlarmNamePrefix: &prefix, AlarmTypes: []cloudwatchtypes.AlarmType{cloudwatchtypes.AlarmTypeMetricAlarm, cloudwatchtypes.AlarmTypeCompositeAlarm},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		for _, alarm := range page.MetricAlarms {
			review(alarm.AlarmName, alarm.ActionsEnabled, alarm.AlarmActions)
		}
		for _, alarm := range page.CompositeAlarms {
			review(alarm.AlarmName, alarm.ActionsEnabled, alarm.AlarmActions)
		}
	}
	deploy := "make deploy ENV=" + r.Name
	if len(without) > 0 {
		a.attention(deploy, "alarms without an action: %s", sentence(without))
	}
	if len(disabled) > 0 {
		a.attention("aws cloudwatch enable-alarm-actions --region "+region+" --alarm-names ...", "alarms whose actions are disabled: %s", sentence(disabled))
	}
	for topic := range byTopic {
		topics = append(topics, topic)
	}
	slices.Sort(topics)
	for _, topic := range topics {
		problem, err := r.topicProblem(ctx, region, topic)
		if err != nil {
			return 0, err
		}
		if problem != "" {
			a.attention("add a recipient to monitoring.alarmEmails and deploy, or open the link in AWS's e-mail", "%d alarms notify %s, which %s", byTopic[topic], topic[strings.LastIndex(topic, ":")+1:], problem)
		}
	}
	return count, nil
}

// topicProblem returns why a topic reaches nobody; empty if it has a confirmed subscription.
func (r *reviewer) topicProblem(ctx context.Context, region, arn string) (string, error) {
	client := sns.NewFromConfig(r.settings, func(options *sns.Options) { options.Region = region })
	answer, err := client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	var missing *snstypes.NotFoundException
	if errors.As(err, &missing) {
		return "does not exist", nil
	} else if err != nil {
		return "", err
	}
	confirmed, err := strconv.Atoi(answer.Attributes["SubscriptionsConfirmed"])
	if err != nil {
		return "", fmt.Errorf("%s: SubscriptionsConfirmed: %w", arn, err)
	}
	if confirmed > 0 {
		return "", nil
	}
	return fmt.Sprintf("has no confirmed subscription (%s pending)", answer.Attributes["SubscriptionsPending"]), nil
}
