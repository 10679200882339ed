// Package frontend is the site: files in S3, delivered by CloudFront. CloudFront also forwards the API's paths to the load
// balancer, so that pages and API have the same HTTPS domain name.
package frontend

import (
	_ "embed"
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontcachepolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontdistribution"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontfunction"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudfrontresponseheaderspolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucket"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucketwebsiteconfiguration"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/internal/tfstring"
	"github.com/starttech/infrastructure/modules/bucket"
	"github.com/starttech/infrastructure/modules/loadbalancer"
)

// Output is what a release writes to and what the backend needs.
type Output struct {
	Bucket       s3bucket.S3Bucket
	BucketName   *string
	BucketARN    *string
	Distribution cloudfrontdistribution.CloudfrontDistribution
	PublicName   string // domain name of the site: the custom domain, or CloudFront's
}

// Config is the origins, the domain and the frontend block of the environment file.
type Config struct {
	NamePrefix     string // "starttech-production"
	Account        string
	LoadBalancer   *loadbalancer.Output
	Domain         *config.Domain // nil: CloudFront's domain name
	CertificateARN *string        // of the domain, in us-east-1; nil without a domain

	config.Frontend
	DeletionProtection bool // whether a destroy of the bucket and the distribution is refused
}

// AWS's managed policies have the same id in every account
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html,
// .../using-managed-origin-request-policies.html).
const (
	cachingOptimized = "658327ea-f89d-4fab-a63d-7e88639e58f6" // honours Cache-Control; a day without it
	cachingDisabled  = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
	allViewer        = "216adef6-5c7f-47e4-b989-5492eafa07d3" // all headers (with Host), cookies and query strings
)

const (
	filesOrigin = "frontend"
	apiOrigin   = "backend"
)

//go:embed routes.js
var routes string

//go:embed www.js
var www string

// New creates
//
//	Distribution
//	  -> /assets/*    -> Bucket by the OriginAccessIdentity or OriginAccessControl, long caching
//	  -> API's paths  -> LoadBalancer, no caching, with the viewer's Host, cookies and query strings
//	  -> default      -> Function (client-side routes) -> Bucket, short caching
func New(scope constructs.Construct, c Config) *Output {
	files := bucket.New(scope, "frontend", bucket.Config{
		Name:                    c.NamePrefix + "-frontend-" + c.Account,
		OldVersionRetentionDays: c.OldVersionRetentionDays,
		OldVersionsStorageClass: c.OldVersionsStorageClass,
		OldVersionsStorageDays:  c.OldVersionsStorageDays,
		DeletionProtection:      c.DeletionProtection,
	})
	// The architecture document asks for website hosting. The website endpoint cannot be private, so it is not used:
	// CloudFront reads the REST endpoint.
	s3bucketwebsiteconfiguration.NewS3BucketWebsiteConfiguration(scope, jsii.String("frontend_website"), &s3bucketwebsiteconfiguration.S3BucketWebsiteConfigurationConfig{
		Bucket:        files.Id(),
		IndexDocument: &s3bucketwebsiteconfiguration.S3BucketWebsiteConfigurationIndexDocument{Suffix: jsii.String("index.html")},
		ErrorDocument: &s3bucketwebsiteconfiguration.S3BucketWebsiteConfigurationErrorDocument{Key: jsii.String("index.html")},
	})
	access := newOriginAccess(scope, c)
	distribution := newDistribution(scope, c, access.origin(files))
	files.NewPolicy(scope, "frontend", access.reader(distribution))

	output := &Output{Bucket: files, BucketName: files.Bucket(), BucketARN: files.Arn(), Distribution: distribution}
	if c.Domain != nil {
		output.PublicName = c.Domain.Name
	} else {
		output.PublicName = *distribution.DomainName()
	}
	return output
}

func newDistribution(scope constructs.Construct, c Config, files *cloudfrontdistribution.CloudfrontDistributionOrigin) cloudfrontdistribution.CloudfrontDistribution {
	pagesID := newPagesCachePolicy(scope, c).Id()
	headersID := newSecurityHeaders(scope, c).Id()
	function := cloudfrontfunction.NewCloudfrontFunction(scope, jsii.String("client_side_routes"), &cloudfrontfunction.CloudfrontFunctionConfig{
		Name:    jsii.String(c.NamePrefix + "-client-side-routes"),
		Comment: jsii.String("Serves index.html on the routes of the single-page application"),
		Runtime: jsii.String("cloudfront-js-2.0"),
		Code:    tfstring.Escape(functionCode(c.Domain)),
		Publish: jsii.Bool(true),
	})

	behaviors := []*cloudfrontdistribution.CloudfrontDistributionOrderedCacheBehavior{{
		PathPattern:             jsii.String(config.AssetsPath + "*"),
		TargetOriginId:          jsii.String(filesOrigin),
		ViewerProtocolPolicy:    jsii.String("redirect-to-https"),
		AllowedMethods:          jsii.Strings("GET", "HEAD", "OPTIONS"),
		CachedMethods:           jsii.Strings("GET", "HEAD"),
		Compress:                jsii.Bool(true),
		CachePolicyId:           jsii.String(cachingOptimized),
		ResponseHeadersPolicyId: headersID,
	}}
	for _, pattern := range c.APIPaths {
		behaviors = append(behaviors, &cloudfrontdistribution.CloudfrontDistributionOrderedCacheBehavior{
			PathPattern:    jsii.String(pattern),
			TargetOriginId: jsii.String(apiOrigin),
			// A redirected POST would arrive as a GET without its body.
			ViewerProtocolPolicy: jsii.String("https-only"),
			AllowedMethods:       jsii.Strings("GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"),
			CachedMethods:        jsii.Strings("GET", "HEAD"),
			// CloudFront compresses only what it caches
			// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/ServingCompressedFiles.html).
			Compress:                jsii.Bool(false),
			CachePolicyId:           jsii.String(cachingDisabled),
			OriginRequestPolicyId:   jsii.String(allViewer),
			ResponseHeadersPolicyId: headersID,
		})
	}

	// The default certificate of CloudFront does not support a minimum TLS version. A certificate of the domain does.
	certificate := &cloudfrontdistribution.CloudfrontDistributionViewerCertificate{CloudfrontDefaultCertificate: jsii.Bool(true)}
	var aliases *[]*string
	if c.CertificateARN != nil {
		certificate = &cloudfrontdistribution.CloudfrontDistributionViewerCertificate{
			AcmCertificateArn:      c.CertificateARN,
			SslSupportMethod:       jsii.String("sni-only"),
			MinimumProtocolVersion: jsii.String("TLSv1.2_2021"),
		}
		aliases = jsii.Strings(c.Domain.Names()...)
	}

	distribution := cloudfrontdistribution.NewCloudfrontDistribution(scope, jsii.String("frontend_distribution"), &cloudfrontdistribution.CloudfrontDistributionConfig{
		Comment: jsii.String(c.NamePrefix),
		// A replacement would have another domain name.
		Lifecycle:           &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(c.DeletionProtection)},
		Enabled:             jsii.Bool(true),
		IsIpv6Enabled:       jsii.Bool(true),
		HttpVersion:         jsii.String("http2and3"),
		PriceClass:          jsii.String(c.PriceClass),
		Aliases:             aliases,
		ViewerCertificate:   certificate,
		DefaultRootObject:   jsii.String("index.html"),
		CustomErrorResponse: uncachedErrors(),
		Restrictions: &cloudfrontdistribution.CloudfrontDistributionRestrictions{
			GeoRestriction: &cloudfrontdistribution.CloudfrontDistributionRestrictionsGeoRestriction{RestrictionType: jsii.String("none")},
		},

		Origin:               []*cloudfrontdistribution.CloudfrontDistributionOrigin{files, newAPIOrigin(scope, c)},
		OrderedCacheBehavior: behaviors,
		DefaultCacheBehavior: &cloudfrontdistribution.CloudfrontDistributionDefaultCacheBehavior{
			TargetOriginId:          jsii.String(filesOrigin),
			ViewerProtocolPolicy:    jsii.String("redirect-to-https"),
			AllowedMethods:          jsii.Strings("GET", "HEAD", "OPTIONS"),
			CachedMethods:           jsii.Strings("GET", "HEAD"),
			Compress:                jsii.Bool(true),
			CachePolicyId:           pagesID,
			ResponseHeadersPolicyId: headersID,
			FunctionAssociation: []*cloudfrontdistribution.CloudfrontDistributionDefaultCacheBehaviorFunctionAssociation{{
				EventType:   jsii.String("viewer-request"),
				FunctionArn: function.Arn(),
			}},
		},
	})
	if c.AccessLogs {
		suppress.Finding(distribution, "The access logs go to CloudWatch Logs by a log delivery, which is a separate resource", "CKV_AWS_86")
	} else {
		suppress.Finding(distribution, "The architecture document asks for access logs of the load balancer, which receives every request to the API", "CKV_AWS_86")
	}
	suppress.Finding(distribution, "Bucket and load balancer are each the only origin of their paths, so there is no origin to fail over to", "CKV_AWS_310")
	suppress.Finding(distribution, "The architecture document asks for global delivery, so no country is blocked", "CKV_AWS_374")
	if c.CertificateARN == nil {
		suppress.Finding(distribution, "Without a domain there is only CloudFront's default certificate, which has no minimum TLS version", "CKV_AWS_174", "CKV2_AWS_42")
	}
	return distribution
}

// functionCode is the function of the default behavior. A behavior has one function of a kind, so that with a www name this one redirects as
// well (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-functions-restrictions.html).
func functionCode(domain *config.Domain) string {
	if domain == nil || !domain.WWW {
		return routes
	}
	return strings.Replace(routes, "function handler(", "function route(", 1) + www
}

// uncachedErrors turns off the caching of errors. By default, CloudFront caches these errors for ten seconds for all viewers, and the
// API's are among them (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html). The responses do not
// change, because there is no page for them.
func uncachedErrors() []*cloudfrontdistribution.CloudfrontDistributionCustomErrorResponse {
	var errors []*cloudfrontdistribution.CloudfrontDistributionCustomErrorResponse
	for _, code := range []float64{404, 405, 414, 500, 501, 502, 503, 504} {
		errors = append(errors, &cloudfrontdistribution.CloudfrontDistributionCustomErrorResponse{
			ErrorCode:          jsii.Number(code),
			ErrorCachingMinTtl: jsii.Number(0), // seconds
		})
	}
	return errors
}

// newPagesCachePolicy caches index.html and other pages for a minute. A release is visible within that minute, and a traffic
// spike does not reach S3.
func newPagesCachePolicy(scope constructs.Construct, c Config) cloudfrontcachepolicy.CloudfrontCachePolicy {
	return cloudfrontcachepolicy.NewCloudfrontCachePolicy(scope, jsii.String("pages_cache_policy"), &cloudfrontcachepolicy.CloudfrontCachePolicyConfig{
		Name:       jsii.String(c.NamePrefix + "-pages"),
		Comment:    jsii.String("Pages for a minute, or less if Cache-Control says so"),
		MinTtl:     jsii.Number(0), // seconds, as the two below
		DefaultTtl: jsii.Number(60),
		MaxTtl:     jsii.Number(60),
		ParametersInCacheKeyAndForwardedToOrigin: &cloudfrontcachepolicy.CloudfrontCachePolicyParametersInCacheKeyAndForwardedToOrigin{
			EnableAcceptEncodingBrotli: jsii.Bool(true),
			EnableAcceptEncodingGzip:   jsii.Bool(true),
			CookiesConfig:              &cloudfrontcachepolicy.CloudfrontCachePolicyParametersInCacheKeyAndForwardedToOriginCookiesConfig{CookieBehavior: jsii.String("none")},
			HeadersConfig:              &cloudfrontcachepolicy.CloudfrontCachePolicyParametersInCacheKeyAndForwardedToOriginHeadersConfig{HeaderBehavior: jsii.String("none")},
			QueryStringsConfig:         &cloudfrontcachepolicy.CloudfrontCachePolicyParametersInCacheKeyAndForwardedToOriginQueryStringsConfig{QueryStringBehavior: jsii.String("none")},
		},
	})
}

// newSecurityHeaders tells browsers to stay on HTTPS, and not to guess types, be framed or leak addresses.
func newSecurityHeaders(scope constructs.Construct, c Config) cloudfrontresponseheaderspolicy.CloudfrontResponseHeadersPolicy {
	var contentSecurity *cloudfrontresponseheaderspolicy.CloudfrontResponseHeadersPolicySecurityHeadersConfigContentSecurityPolicy
	if c.ContentSecurityPolicy != "" {
		contentSecurity = &cloudfrontresponseheaderspolicy.CloudfrontResponseHeadersPolicySecurityHeadersConfigContentSecurityPolicy{
			ContentSecurityPolicy: tfstring.Escape(c.ContentSecurityPolicy),
			Override:              jsii.Bool(true),
		}
	}
	headers := cloudfrontresponseheaderspolicy.NewCloudfrontResponseHeadersPolicy(scope, jsii.String("security_headers"), &cloudfrontresponseheaderspolicy.CloudfrontResponseHeadersPolicyConfig{
		Name:    jsii.String(c.NamePrefix + "-security-headers"),
		Comment: jsii.String("Security headers of " + c.NamePrefix),
		SecurityHeadersConfig: &cloudfrontresponseheaderspolicy.CloudfrontResponseHeadersPolicySecurityHeadersConfig{
			StrictTransportSecurity: &cloudfrontresponseheaderspolicy.CloudfrontResponseHeadersPolicySecurityHeadersConfigStrictTransportSecurity{
				AccessControlMaxAgeSec: jsii.Number(31536000), // a year, in seconds
				Override:               jsii.Bool(true),
			},
			ContentSecurityPolicy: contentSecurity,
			ContentTypeOptions:    &cloudfrontresponseheaderspolicy.CloudfrontResponseHeadersPolicySecurityHeadersConfigContentTypeOptions{Override: jsii.Bool(true)},
			FrameOptions: &cloudfrontresponseheaderspolicy.CloudfrontResponseHeadersPolicySecurityHeadersConfigFrameOptions{
				FrameOption: jsii.String("DENY"),
				Override:    jsii.Bool(true),
			},
			ReferrerPolicy: &cloudfrontresponseheaderspolicy.CloudfrontResponseHeadersPolicySecurityHeadersConfigReferrerPolicy{
				ReferrerPolicy: jsii.String("strict-origin-when-cross-origin"),
				Override:       jsii.Bool(true),
			},
		},
	})
	suppress.Finding(headers, "includeSubDomains and preload would apply to every host below the domain, which this site does not own", "CKV_AWS_259")
	return headers
}
