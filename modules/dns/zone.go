package dns

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/route53zone"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Zone is a hosted zone that an environment's domain is in.
type Zone struct {
	ARN         *string
	NameServers *[]*string
}

// NewZone creates the public hosted zone of an environment's domain. It is in the bootstrap stack: the operator delegates the name to the zone
// before the environment's certificates wait for records in it, and the delegation outlives the environment. AWS does not delete a zone that
// has other records than its own (https://docs.aws.amazon.com/Route53/latest/APIReference/API_DeleteHostedZone.html).
func NewZone(scope constructs.Construct, e config.Environment) Zone {
	zone := route53zone.NewRoute53Zone(scope, jsii.String("zone_"+config.IDSafe(e.Name)), &route53zone.Route53ZoneConfig{
		Name:    jsii.String(e.Domain.Name),
		Comment: jsii.String("The site of " + e.NamePrefix()),
		// A new zone has other name servers, so the name would have to be delegated again.
		Lifecycle: &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(e.DeletionProtection)},
	})
	suppress.Finding(zone, "The operator delegates the zone by hand; DNSSEC would add a key and a record at the parent that have to be kept in step", "CKV2_AWS_38")
	suppress.Finding(zone, "Queries of a public zone are not logged: they are many, and name no user", "CKV2_AWS_39")
	return Zone{ARN: zone.Arn(), NameServers: zone.NameServers()}
}
