package logs

import (
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchquerydefinition"
	"github.com/hashicorp/terraform-cdk-go/cdktf"
)

// Query is a saved query of CloudWatch Logs Insights.
type Query struct {
	ID   string // of the construct, "server_errors_query"
	Name string // NAME in the definition's name, "server-errors"

	Group    *string                 // name of the log group
	Stages   []string                // of the query, which | separates
	Provider cdktf.TerraformProvider // nil: the stack's own
}

// NewQuery creates the query definition NAMEPREFIX/NAME, which the console shows in the folder NAMEPREFIX
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_Insights-Saving-Queries.html). starttech logs query runs it.
func NewQuery(scope constructs.Construct, namePrefix string, q Query) {
	cloudwatchquerydefinition.NewCloudwatchQueryDefinition(scope, jsii.String(q.ID), &cloudwatchquerydefinition.CloudwatchQueryDefinitionConfig{
		Name:          jsii.String(namePrefix + "/" + q.Name),
		LogGroupNames: &[]*string{q.Group},
		QueryString:   jsii.String(strings.Join(q.Stages, "\n| ")),
		Provider:      q.Provider,
	})
}
