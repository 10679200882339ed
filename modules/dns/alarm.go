package dns

import (
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/starttech/infrastructure/modules/monitoring"
)

// renewalDays is the number of days before its expiry at which a certificate should have been renewed for two weeks. ACM renews a certificate
// 45 days or more before (https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html), and sends events from 45 days on
// (https://docs.aws.amazon.com/acm/latest/userguide/supported-events.html).
const renewalDays = 30

// NewRenewalAlarm creates an alarm on a certificate that ACM does not renew. It watches the load balancer's, because a metric, its alarms and
// their topic are in one region. CloudFront's certificate has the same names, is issued and renewed by the same records, and so fails with it.
// It returns the graph of the metric.
//
// The metric: https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html. A new certificate has no data for hours.
func NewRenewalAlarm(scope constructs.Construct, alarms monitoring.Alarms, certificates *Output) monitoring.Graph {
	days := monitoring.Metric{
		Namespace:  "AWS/CertificateManager",
		Name:       "DaysToExpiry",
		Dimensions: []string{"CertificateArn", *certificates.LoadBalancerARN},
		Statistic:  "Minimum",
	}
	const day = 24 * 60 * monitoring.Minute
	alarms.New(scope, monitoring.Alarm{
		ID: "certificate_expires", Name: "certificate-expires",
		Description: "The certificates of the domain expire in less than 30 days, because ACM does not find the validation records",
		Metric:      days,
		Comparison:  monitoring.LessThan, Threshold: renewalDays, PeriodSeconds: day, TreatMissingData: monitoring.NotBreaching,
	})
	return monitoring.Graph{Title: "Days until the certificates expire", Metrics: []monitoring.Metric{days}}
}
