// Package suppress records, on a resource, why a finding of the static checks is accepted there.
package suppress

import (
	"github.com/aws/jsii-runtime-go"
	"github.com/hashicorp/terraform-cdk-go/cdktf"
)

// Reasons that several resources share.
const (
	AWSKey           = "AWS's own key encrypts this; a customer key would cost a dollar a month and be one more thing to lose the data by"
	ECRAuthorization = "The credentials that it hands out are ECR's, for the images that the role may use"
	NoWAF            = "The architecture document names AWS WAF as a future enhancement, not as a part of the architecture"
	ShortRetention   = "The architecture document keeps logs for 30 days, and an environment file may choose another number"
)

// Finding suppresses the findings of some rules on a resource, for a reason. The reason is written into the resource's
// comment in Terraform's JSON, which Terraform ignores and the tests read. The tests refuse a finding without a
// suppression, a suppression without a finding, and a reason of fewer than five words. So a suppression that depends on the
// environment needs a condition.
//
// A rule is an id of checkov ("CKV_AWS_18"), or an issue of parliament, followed by the Sid of the statement if the issue
// is about one: "CREDENTIALS_EXPOSURE", "RESOURCE_STAR:AllowCloudWatchAlarms".
func Finding(resource cdktf.TerraformResource, reason string, rules ...string) {
	for _, rule := range rules {
		resource.AddOverride(jsii.String("//.suppressions."+rule), jsii.String(reason))
	}
}
