// Package exception keeps, at the resource that it is about, why a rule of the static checks does not hold there.
package exception

import (
	"github.com/aws/jsii-runtime-go"
	"github.com/hashicorp/terraform-cdk-go/cdktf"
)

// Reasons that hold for several parts of the architecture.
const (
	AWSKey         = "AWS's own key encrypts this; a customer key would cost a dollar a month and be one more thing to lose the data by"
	ECRSignIn      = "The credentials that it hands out are ECR's, for the images that the role may use"
	NoFirewall     = "The architecture document names AWS WAF as a future enhancement, not as a part of the architecture"
	ShortRetention = "The architecture document keeps logs for 30 days, and an environment file may choose another number"
)

// Accept says why a resource breaks some rules. It writes that into the resource's comment in Terraform's JSON, which
// Terraform ignores and the tests read: they refuse a finding without an exception, an exception without a finding, and
// a reason that is no sentence. So an exception that depends on the environment stands in a condition.
//
// A rule is an id of checkov ("CKV_AWS_18"), or an issue of parliament, followed by the Sid of the statement where it is
// about one: "CREDENTIALS_EXPOSURE", "RESOURCE_STAR:AlarmsPublish".
func Accept(resource cdktf.TerraformResource, reason string, rules ...string) {
	for _, rule := range rules {
		resource.AddOverride(jsii.String("//.exceptions."+rule), jsii.String(reason))
	}
}
