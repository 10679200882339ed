// Package budget is the account's monthly budget, and its cost anomaly detection.
package budget

import (
	"strconv"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/budgetsbudget"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/ceanomalymonitor"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/ceanomalysubscription"

	"github.com/starttech/infrastructure/config"
)

// New creates
//
//	Budget -> e-mail at 50, 80 and 100 % of the actual costs, and at 100 % of the forecast
//	AnomalyMonitor (of AWS services) -> AnomalySubscription -> e-mail
func New(scope constructs.Construct, b config.Budget) {
	budget := &budgetsbudget.BudgetsBudgetConfig{
		Name:         jsii.String(config.Project + "-monthly"),
		BudgetType:   jsii.String("COST"),
		TimeUnit:     jsii.String("MONTHLY"),
		LimitAmount:  jsii.String(strconv.Itoa(b.MonthlyUSD)),
		LimitUnit:    jsii.String("USD"),
		Notification: notifications(b.Emails),
	}
	if b.Costs == "project" {
		// The form of the value: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html.
		budget.CostFilter = []budgetsbudget.BudgetsBudgetCostFilter{{
			Name:   jsii.String("TagKeyValue"),
			Values: jsii.Strings("user:project$" + config.Project),
		}}
	}
	budgetsbudget.NewBudgetsBudget(scope, jsii.String("budget"), budget)
	if b.Anomalies != nil {
		newAnomalies(scope, *b.Anomalies, b.Emails)
	}
}

func notifications(emails []string) []budgetsbudget.BudgetsBudgetNotification {
	var notifications []budgetsbudget.BudgetsBudgetNotification
	for _, each := range []struct {
		kind    string
		percent int
	}{{"ACTUAL", 50}, {"ACTUAL", 80}, {"ACTUAL", 100}, {"FORECASTED", 100}} {
		notifications = append(notifications, budgetsbudget.BudgetsBudgetNotification{
			NotificationType:         jsii.String(each.kind),
			ComparisonOperator:       jsii.String("GREATER_THAN"),
			Threshold:                jsii.Number(each.percent),
			ThresholdType:            jsii.String("PERCENTAGE"),
			SubscriberEmailAddresses: jsii.Strings(emails...),
		})
	}
	return notifications
}

// newAnomalies creates a monitor, unless the account has one, and a subscription to it. E-mails are daily or weekly: only SNS is notified
// immediately (https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_AnomalySubscription.html).
func newAnomalies(scope constructs.Construct, a config.Anomalies, emails []string) {
	monitorARN := jsii.String(a.MonitorARN)
	if a.MonitorARN == "" {
		// A monitor of a tag can only be created in the management account
		// (https://docs.aws.amazon.com/cost-management/latest/userguide/getting-started-ad.html).
		monitorARN = ceanomalymonitor.NewCeAnomalyMonitor(scope, jsii.String("anomalies"), &ceanomalymonitor.CeAnomalyMonitorConfig{
			Name:             jsii.String(config.Project + "-services"),
			MonitorType:      jsii.String("DIMENSIONAL"),
			MonitorDimension: jsii.String("SERVICE"),
		}).Arn()
	}
	var subscribers []ceanomalysubscription.CeAnomalySubscriptionSubscriber
	for _, email := range emails {
		subscribers = append(subscribers, ceanomalysubscription.CeAnomalySubscriptionSubscriber{Type: jsii.String("EMAIL"), Address: jsii.String(email)})
	}
	ceanomalysubscription.NewCeAnomalySubscription(scope, jsii.String("anomalies_by_email"), &ceanomalysubscription.CeAnomalySubscriptionConfig{
		Name:           jsii.String(config.Project + "-anomalies"),
		Frequency:      jsii.String("DAILY"),
		MonitorArnList: &[]*string{monitorARN},
		Subscriber:     subscribers,
		ThresholdExpression: &ceanomalysubscription.CeAnomalySubscriptionThresholdExpression{
			Dimension: &ceanomalysubscription.CeAnomalySubscriptionThresholdExpressionDimension{
				Key:          jsii.String("ANOMALY_TOTAL_IMPACT_ABSOLUTE"),
				MatchOptions: jsii.Strings("GREATER_THAN_OR_EQUAL"),
				Values:       jsii.Strings(strconv.Itoa(a.ThresholdUSD)),
			},
		},
	})
}
