package frontend

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontdistribution"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontoriginaccesscontrol"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontoriginaccessidentity"

	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/modules/bucket"
)

// originAccess is how CloudFront reads the private bucket: one of the two.
type originAccess struct {
	identity cloudfrontoriginaccessidentity.CloudfrontOriginAccessIdentity
	control  cloudfrontoriginaccesscontrol.CloudfrontOriginAccessControl
}

func newOriginAccess(scope constructs.Construct, c Config) originAccess {
	if c.OriginAccess == "oac" {
		return originAccess{control: cloudfrontoriginaccesscontrol.NewCloudfrontOriginAccessControl(scope, jsii.String("frontend_origin_access_control"), &cloudfrontoriginaccesscontrol.CloudfrontOriginAccessControlConfig{
			Name:                          jsii.String(c.NamePrefix + "-frontend"),
			Description:                   jsii.String("Reads the frontend bucket of " + c.NamePrefix),
			OriginAccessControlOriginType: jsii.String("s3"),
			SigningBehavior:               jsii.String("always"),
			SigningProtocol:               jsii.String("sigv4"),
		})}
	}
	return originAccess{identity: cloudfrontoriginaccessidentity.NewCloudfrontOriginAccessIdentity(scope, jsii.String("frontend_origin_access_identity"), &cloudfrontoriginaccessidentity.CloudfrontOriginAccessIdentityConfig{
		Comment: jsii.String("Reads the frontend bucket of " + c.NamePrefix),
	})}
}

// origin is the bucket as an origin of the distribution.
func (a originAccess) origin(files *bucket.Output) *cloudfrontdistribution.CloudfrontDistributionOrigin {
	origin := &cloudfrontdistribution.CloudfrontDistributionOrigin{
		OriginId:   jsii.String(filesOrigin),
		DomainName: files.BucketRegionalDomainName(),
	}
	if a.control != nil {
		origin.OriginAccessControlId = a.control.Id()
	} else {
		origin.S3OriginConfig = &cloudfrontdistribution.CloudfrontDistributionOriginS3OriginConfig{
			OriginAccessIdentity: a.identity.CloudfrontAccessIdentityPath(),
		}
	}
	return origin
}

// reader is CloudFront in the policy of the bucket. With an OriginAccessControl, it is the service CloudFront for this distribution
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html).
func (a originAccess) reader(distribution cloudfrontdistribution.CloudfrontDistribution) bucket.Reader {
	if a.control != nil {
		return bucket.Reader{
			Principal: policy.Service("cloudfront.amazonaws.com"),
			Condition: policy.Condition{"StringEquals": {"AWS:SourceArn": {*distribution.Arn()}}},
		}
	}
	return bucket.Reader{Principal: policy.AWS(*a.identity.IamArn())}
}
