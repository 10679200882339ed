package review

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
)

// lateDays is the days before its expiry when a certificate should have been renewed. ACM starts earlier, and sends events from 45 days
// before on (https://docs.aws.amazon.com/acm/latest/userguide/supported-events.html).
const lateDays = 30

// certificates reads the certificates that the load balancer and the distribution use.
func (r *reviewer) certificates(ctx context.Context, a *answer) error {
	if r.Domain == nil {
		a.ok("without a domain, the site has CloudFront's own certificate")
		return nil
	}
	arns, err := r.certificateARNs(ctx)
	if err != nil {
		return err
	}
	if len(arns) == 0 {
		a.attention("make deploy ENV="+r.Name, "neither the load balancer nor the distribution has a certificate of ACM")
	}
	for _, arn := range arns {
		region := strings.Split(arn, ":")[3]
		client := acm.NewFromConfig(r.settings, func(options *acm.Options) { options.Region = region })
		answer, err := client.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: &arn})
		if err != nil {
			return err
		}
		r.reviewCertificate(a, region, *answer.Certificate)
	}
	return nil
}

// certificateARNs returns the certificates of the listeners and of the distribution.
func (r *reviewer) certificateARNs(ctx context.Context) ([]string, error) {
	balancer, err := r.loadBalancer()
	if err != nil {
		return nil, err
	}
	distribution, err := r.Output("distribution_id")
	if err != nil {
		return nil, err
	}
	var arns []string
	pages := elasticloadbalancingv2.NewDescribeListenersPaginator(elasticloadbalancingv2.NewFromConfig(r.settings), &elasticloadbalancingv2.DescribeListenersInput{LoadBalancerArn: balancer.LoadBalancerArn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, listener := range page.Listeners {
			for _, certificate := range listener.Certificates {
				arns = append(arns, aws.ToString(certificate.CertificateArn))
			}
		}
	}
	answer, err := cloudfront.NewFromConfig(r.settings).GetDistribution(ctx, &cloudfront.GetDistributionInput{Id: &distribution})
	if err != nil {
		return nil, err
	}
	if viewer := answer.Distribution.DistributionConfig.ViewerCertificate; viewer != nil && viewer.ACMCertificateArn != nil {
		arns = append(arns, *viewer.ACMCertificateArn)
	}
	slices.Sort(arns)
	return slices.Compact(arns), nil
}

func (r *reviewer) reviewCertificate(a *answer, region string, c acmtypes.CertificateDetail) {
	name := aws.ToString(c.DomainName) + " in " + region
	left := -r.days(aws.ToTime(c.NotAfter))
	renewal := acmtypes.RenewalStatus("")
	if c.RenewalSummary != nil {
		renewal = c.RenewalSummary.RenewalStatus
	}
	const validate = "check that the validation records in the hosted zone are those of the certificate"
	switch {
	case c.Status != acmtypes.CertificateStatusIssued:
		a.attention(validate, "%s has the status %s", name, c.Status)
	case renewal == acmtypes.RenewalStatusFailed, renewal == acmtypes.RenewalStatusPendingValidation:
		a.attention(validate, "the renewal of %s has the status %s; it expires on %s", name, renewal, day(*c.NotAfter))
	case c.RenewalEligibility == acmtypes.RenewalEligibilityIneligible:
		a.attention("replace it by a certificate that ACM issues and validates by DNS", "ACM does not renew %s (%s); it expires on %s", name, c.Type, day(*c.NotAfter))
	case left < lateDays:
		a.attention(validate, "%s expires on %s, in %d days, and is not renewed", name, day(*c.NotAfter), left)
	default:
		a.ok("%s expires on %s, in %d days", name, day(*c.NotAfter), left)
	}
}
