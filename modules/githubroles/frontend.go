package githubroles

import (
	"slices"

	"github.com/starttech/infrastructure/internal/policy"
)

// frontend is the bucket, CloudFront, and the certificates and records of a domain. AWS chooses the ids of what CloudFront
// creates. Only a distribution can be selected by its tag.
func frontend(a account, c Config) part {
	var (
		buckets       = "arn:aws:s3:::" + prefixed("*-frontend-"+a.id)
		distributions = a.globalARN("cloudfront", "distribution/*")
		functions     = a.globalARN("cloudfront", "function/"+prefixed("*"))
		certificates  = "arn:aws:acm:*:" + a.id + ":certificate/*" // CloudFront's is in us-east-1
		hostedZones   []string
		names         []string // of the sites
		aliasTypes    = []string{"A", "AAAA"}
		validations   []string // of ACM's records: _ID.NAME
	)
	for _, environment := range c.Environments {
		if environment.Domain == nil {
			continue
		}
		zone := "arn:aws:route53:::hostedzone/" + environment.Domain.HostedZoneID
		if created := c.ZoneARNs[environment.Name]; created != nil {
			zone = *created
		}
		if !slices.Contains(hostedZones, zone) {
			hostedZones = append(hostedZones, zone)
		}
		names = append(names, environment.Domain.Names()...)
		validations = append(validations, "_*."+environment.Domain.Name) // * matches www as well
		if environment.Domain.CAA && !slices.Contains(aliasTypes, "CAA") {
			aliasTypes = append(aliasTypes, "CAA")
		}
	}
	p := part{
		id: "frontend",
		plan: []policy.Statement{{
			// They have neither names in their ARNs nor tags.
			Sid:    "ReadCloudFrontPolicies",
			Effect: policy.Allow,
			Action: []string{
				"cloudfront:GetCachePolicy", "cloudfront:GetCloudFrontOriginAccessIdentity", "cloudfront:GetOriginAccessControl",
				"cloudfront:GetResponseHeadersPolicy",
			},
			Resource: []string{a.globalARN("cloudfront", "*")},
		}, {
			Sid:      "ReadCloudFrontFunctions",
			Effect:   policy.Allow,
			Action:   []string{"cloudfront:DescribeFunction", "cloudfront:GetFunction"},
			Resource: []string{functions},
		}, {
			// The distribution of another project may send a secret to its origin, in a header.
			Sid:       "ReadProjectDistribution",
			Effect:    policy.Allow,
			Action:    []string{"cloudfront:GetDistribution", "cloudfront:ListTagsForResource"},
			Resource:  []string{distributions},
			Condition: onProjectTag,
		}, {
			Sid:    "ReadBuckets",
			Effect: policy.Allow,
			Action: []string{
				"s3:GetAccelerateConfiguration", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketLocation", "s3:GetBucketLogging",
				"s3:GetBucketObjectLockConfiguration", "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock",
				"s3:GetBucketRequestPayment", "s3:GetBucketTagging", "s3:GetBucketVersioning", "s3:GetBucketWebsite",
				"s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket",
			},
			Resource: []string{*c.StateBucketARN, buckets},
		}, {
			Sid:      "ReadCertificates",
			Effect:   policy.Allow,
			Action:   []string{"acm:DescribeCertificate", "acm:ListTagsForCertificate"},
			Resource: []string{certificates},
		}},
		deploy: []policy.Statement{{
			Sid:    "ManageFrontendBucket",
			Effect: policy.Allow,
			Action: []string{
				"s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:DeleteBucketWebsite", "s3:ListBucket", "s3:ListBucketVersions",
				"s3:PutBucketOwnershipControls", "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging",
				"s3:PutBucketVersioning", "s3:PutBucketWebsite", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
			},
			Resource: []string{buckets},
		}, {
			Sid:      "EmptyFrontendBucket",
			Effect:   policy.Allow,
			Action:   []string{"s3:DeleteObject", "s3:DeleteObjectVersion"},
			Resource: []string{buckets + "/*"},
		}, {
			// The provider reads the new distribution immediately. AWS does not say when it sees the tag, so none is required.
			Sid:      "CreateDistribution",
			Effect:   policy.Allow,
			Action:   []string{"cloudfront:CreateDistribution", "cloudfront:GetDistribution", "cloudfront:ListTagsForResource"},
			Resource: []string{distributions},
		}, {
			Sid:       "TagNewDistribution",
			Effect:    policy.Allow,
			Action:    []string{"cloudfront:TagResource"},
			Resource:  []string{distributions},
			Condition: withFirstProjectTag,
		}, {
			Sid:       "ManageProjectDistribution",
			Effect:    policy.Allow,
			Action:    []string{"cloudfront:DeleteDistribution", "cloudfront:TagResource", "cloudfront:UntagResource", "cloudfront:UpdateDistribution"},
			Resource:  []string{distributions},
			Condition: onProjectTag,
		}, {
			Sid:    "ManageCloudFrontPolicies",
			Effect: policy.Allow,
			Action: []string{
				"cloudfront:CreateCachePolicy", "cloudfront:CreateCloudFrontOriginAccessIdentity", "cloudfront:CreateResponseHeadersPolicy",
				"cloudfront:DeleteCachePolicy", "cloudfront:DeleteCloudFrontOriginAccessIdentity",
				"cloudfront:DeleteOriginAccessControl", "cloudfront:DeleteResponseHeadersPolicy", "cloudfront:UpdateCachePolicy",
				"cloudfront:UpdateCloudFrontOriginAccessIdentity", "cloudfront:UpdateOriginAccessControl", "cloudfront:UpdateResponseHeadersPolicy",
			},
			Resource: []string{
				a.globalARN("cloudfront", "cache-policy/*"), a.globalARN("cloudfront", "origin-access-control/*"),
				a.globalARN("cloudfront", "origin-access-identity/*"), a.globalARN("cloudfront", "response-headers-policy/*"),
			},
		}, {
			Sid:      "CreateOriginAccessControl",
			Effect:   policy.Allow,
			Action:   []string{"cloudfront:CreateOriginAccessControl"}, // it does not support resource-level permissions
			Resource: []string{"*"},
		}, {
			Sid:      "ManageCloudFrontFunctions",
			Effect:   policy.Allow,
			Action:   []string{"cloudfront:CreateFunction", "cloudfront:DeleteFunction", "cloudfront:PublishFunction", "cloudfront:UpdateFunction"},
			Resource: []string{functions},
		}, {
			Sid:       "RequestCertificate",
			Effect:    policy.Allow,
			Action:    []string{"acm:RequestCertificate"},
			Resource:  []string{"*"}, // does not support resource-level permissions
			Condition: withProjectTag,
		}, {
			Sid:       "TagNewCertificate",
			Effect:    policy.Allow,
			Action:    []string{"acm:AddTagsToCertificate"},
			Resource:  []string{certificates},
			Condition: withFirstProjectTag,
		}, {
			Sid:       "ManageProjectCertificate",
			Effect:    policy.Allow,
			Action:    []string{"acm:AddTagsToCertificate", "acm:DeleteCertificate", "acm:RemoveTagsFromCertificate"},
			Resource:  []string{certificates},
			Condition: onProjectTag,
		}},
		instance: []policy.Statement{{
			Sid:      "ReadFrontendFiles",
			Effect:   policy.Allow,
			Action:   []string{"s3:GetObject", "s3:ListBucket"},
			Resource: []string{buckets, buckets + "/*"},
		}},
		delivery: []policy.Statement{{
			Sid:      "WriteFrontendFiles",
			Effect:   policy.Allow,
			Action:   []string{"s3:DeleteObject", "s3:ListBucket", "s3:PutObject"},
			Resource: []string{buckets, buckets + "/*"},
		}, {
			Sid:      "Invalidations",
			Effect:   policy.Allow,
			Action:   []string{"cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"},
			Resource: []string{distributions},
		}},
		suppressions: []suppression{
			permissionsManagement,
			{"A bucket's policy is created with the bucket; a deploy could delete the bucket's objects anyway", []string{"RESOURCE_POLICY_PRIVILEGE_ESCALATION"}},
		},
	}
	if len(hostedZones) > 0 {
		p.planUnscoped = append(p.planUnscoped, "route53:ListHostedZones") // the provider looks up a zone by its ID in the list
		p.plan = append(p.plan, policy.Statement{
			Sid:      "ReadRecords",
			Effect:   policy.Allow,
			Action:   []string{"route53:GetHostedZone", "route53:ListResourceRecordSets", "route53:ListTagsForResource"},
			Resource: hostedZones,
		})
		p.deploy = append(p.deploy, policy.Statement{
			// Every record of a request has to be one of the stack's
			// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html).
			Sid:      "ChangeAliasRecords",
			Effect:   policy.Allow,
			Action:   []string{"route53:ChangeResourceRecordSets"},
			Resource: hostedZones,
			Condition: policy.Condition{"ForAllValues:StringEquals": {
				"route53:ChangeResourceRecordSetsNormalizedRecordNames": names,
				"route53:ChangeResourceRecordSetsRecordTypes":           aliasTypes,
			}},
		}, policy.Statement{
			Sid:      "ChangeValidationRecords",
			Effect:   policy.Allow,
			Action:   []string{"route53:ChangeResourceRecordSets"},
			Resource: hostedZones,
			Condition: policy.Condition{
				"ForAllValues:StringLike":   {"route53:ChangeResourceRecordSetsNormalizedRecordNames": validations},
				"ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": {"CNAME"}},
			},
		}, policy.Statement{
			Sid:      "GetRecordChange",
			Effect:   policy.Allow,
			Action:   []string{"route53:GetChange"},
			Resource: []string{"arn:aws:route53:::change/*"},
		})
	}
	return p
}

// permissionsManagement is why parts may write policies of resources and roles.
var permissionsManagement = suppression{
	"A deploy creates resources together with their policies; the statements are limited to the project's own resources",
	[]string{"PERMISSIONS_MANAGEMENT_ACTIONS"},
}
