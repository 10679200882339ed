package claims

import (
	"fmt"
	"strconv"
	"testing"
)

func TestTheAccountHasTheBudgetOfTheFile(t *testing.T) {
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		b := s.Environments()[0].Budget
		if b == nil {
			equal(t, "budgets", len(s.OfType("aws_budgets_budget")), 0)
			return
		}
		_, budget := s.Only(t, "aws_budgets_budget")
		for key, want := range map[string]any{
			"budget_type": "COST", "time_unit": "MONTHLY", "limit_unit": "USD", "limit_amount": strconv.Itoa(b.MonthlyUSD), "name": "starttech-monthly",
		} {
			budget.Want(t, want, key)
		}
		var got []string
		notifications, _ := budget.Get("notification").([]any)
		for i := range notifications {
			n := resource(notifications[i].(map[string]any))
			got = append(got, fmt.Sprint(n.Get("notification_type"), " ", n.Get("comparison_operator"), " ", n.Get("threshold"), " ", n.Get("threshold_type")))
			equal(t, "recipients", n.Strings("subscriber_email_addresses"), b.Emails)
		}
		equalSets(t, "notifications", got, []string{
			"ACTUAL GREATER_THAN 50 PERCENTAGE", "ACTUAL GREATER_THAN 80 PERCENTAGE", "ACTUAL GREATER_THAN 100 PERCENTAGE", "FORECASTED GREATER_THAN 100 PERCENTAGE",
		})
	})
}

// An account has one monitor of AWS services, so it is created only if the file names none.
func TestTheRecipientsOfTheBudgetAreToldOfAnomalies(t *testing.T) {
	seen := map[bool]bool{}
	onEveryBootstrap(t, func(t *testing.T, s stack) {
		b := s.Environments()[0].Budget
		if b == nil || b.Anomalies == nil {
			equal(t, "monitors and subscriptions", len(s.OfType("aws_ce_anomaly_monitor"))+len(s.OfType("aws_ce_anomaly_subscription")), 0)
			return
		}
		monitor, isCreated := b.Anomalies.MonitorARN, b.Anomalies.MonitorARN == ""
		seen[isCreated] = true
		if isCreated {
			address, created := s.Only(t, "aws_ce_anomaly_monitor")
			created.Want(t, "DIMENSIONAL", "monitor_type")
			created.Want(t, "SERVICE", "monitor_dimension")
			monitor = ref(address, "arn")
		}
		_, subscription := s.Only(t, "aws_ce_anomaly_subscription")
		equal(t, "monitors", subscription.Strings("monitor_arn_list"), []string{monitor})
		subscription.Want(t, "DAILY", "frequency") // AWS sends no e-mail immediately
		var got []string
		subscribers, _ := subscription.Get("subscriber").([]any)
		for i := range subscribers {
			subscriber := resource(subscribers[i].(map[string]any))
			subscriber.Want(t, "EMAIL", "type")
			got = append(got, subscriber.Text("address"))
		}
		equal(t, "recipients", got, b.Emails)
		subscription.Want(t, "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "threshold_expression", "dimension", "key")
		equal(t, "threshold", subscription.Strings("threshold_expression", "dimension", "values"), []string{strconv.Itoa(b.Anomalies.ThresholdUSD)})
	})
	if !seen[true] || !seen[false] {
		t.Error("no stacks with a created and with an existing monitor")
	}
}
