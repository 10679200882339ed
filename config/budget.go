package config

import "strings"

// Budget is the account's monthly budget.
type Budget struct {
	// Costs of a month, in US dollars, of which the notifications are percentages.
	//
	// The limits are this project's.
	MonthlyUSD int `json:"monthlyUsd" jsonschema:"required,minimum=1,maximum=10000000" change:"free: deploy bootstrap, which has the budget"`
	// Recipients of the notifications, and of the anomalies.
	//
	// A notification has at most 10 (https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_NotificationWithSubscribers.html), and
	// a subscription to anomalies as well (https://aws.amazon.com/aws-cost-management/aws-cost-anomaly-detection/faqs/).
	Emails []string `json:"emails" jsonschema:"required,minItems=1,maxItems=10,uniqueItems=true,format=email" change:"free: deploy bootstrap, which has the budget"`
	// Which costs count. account: all of the account. project: those of resources with the tag project. Before, its management account has to
	// activate the tag as a cost allocation tag.
	//
	// AWS's rule: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html.
	Costs string `json:"costs" jsonschema:"enum=account,enum=project" change:"free: deploy bootstrap, which has the budget"`

	// Cost anomaly detection: an e-mail on the day after unusual costs of a service.
	//
	// Costs: nothing.
	//
	// Needs: Cost Explorer, which the account's owner activates once in the console.
	//
	// Check: aws ce get-anomaly-subscriptions lists starttech-anomalies with its recipients.
	Anomalies *Anomalies `json:"anomalies,omitempty" removal:"free: deploy bootstrap. A created monitor and its history are deleted."`
}

// Anomalies is AWS Cost Anomaly Detection.
type Anomalies struct {
	// Least impact of an anomaly that is reported, in US dollars.
	//
	// The limits are this project's. AWS's field: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_AnomalySubscription.html.
	ThresholdUSD int `json:"thresholdUsd" jsonschema:"required,minimum=1,maximum=1000000" change:"free: deploy bootstrap, which has the subscription"`
	// ARN of the account's monitor of AWS services: aws ce get-anomaly-monitors. Without it, bootstrap creates the monitor.
	//
	// An account has one, and AWS may have created it (https://aws.amazon.com/aws-cost-management/aws-cost-anomaly-detection/faqs/). The form of the ARN:
	// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscostexplorerservice.html.
	MonitorARN string `json:"monitorArn,omitempty" jsonschema:"pattern=^arn:aws:ce::[0-9]{12}:anomalymonitor/[A-Za-z0-9-]+$" change:"free: deploy bootstrap. A monitor that it has created is deleted with its history."`
}

func defaultBudget() Budget { return Budget{Costs: "account"} }

// check refuses a monitor of another account.
func (b Budget) check(at place, e Environment) {
	if b.Anomalies == nil || b.Anomalies.MonitorARN == "" {
		return
	}
	if account := strings.Split(b.Anomalies.MonitorARN, ":")[4]; account != e.Account {
		at.key("anomalies").key("monitorArn").problem("%q is of account %s; allowed: a monitor of this account, %s", b.Anomalies.MonitorARN, account, e.Account)
	}
}
