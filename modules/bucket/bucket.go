// Package bucket is a private S3 bucket: versioned, encrypted, without public access, reachable over TLS only.
package bucket

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucket"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucketlifecycleconfiguration"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucketownershipcontrols"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucketpolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucketpublicaccessblock"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucketserversideencryptionconfiguration"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/s3bucketversioning"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/internal/policy"
	"github.com/starttech/infrastructure/internal/suppress"
)

// Config is the name of the bucket and its protection.
type Config struct {
	Name                    string // unique in all of AWS, so it contains the account
	OldVersionRetentionDays int    // days that a replaced or deleted object can be restored
	OldVersionsStorageClass string // of old versions after OldVersionsStorageDays; empty or STANDARD: they stay where they are
	OldVersionsStorageDays  int
	DeletionProtection      bool // if false, a destroy deletes the objects as well
}

// Output is the bucket. It has no policy until NewPolicy creates it.
type Output struct {
	s3bucket.S3Bucket

	publicAccessBlock s3bucketpublicaccessblock.S3BucketPublicAccessBlock
}

// unfinishedUploadDays is the number of days after which the parts of an incomplete multipart upload are deleted.
const unfinishedUploadDays = 7

// New creates
//
//	Bucket -> versioning, encryption, ownership, lifecycle, public access block
func New(scope constructs.Construct, id string, c Config) *Output {
	bucket := s3bucket.NewS3Bucket(scope, jsii.String(id), &s3bucket.S3BucketConfig{
		Bucket:       jsii.String(c.Name),
		ForceDestroy: jsii.Bool(!c.DeletionProtection),
		Lifecycle:    &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(c.DeletionProtection)},
	})
	suppress.Finding(bucket, suppress.AWSKey, "CKV_AWS_145")
	suppress.Finding(bucket, "The bucket is not public, and the architecture document does not ask for access logs of it", "CKV_AWS_18")
	suppress.Finding(bucket, "Old versions restore what is lost; the architecture document does not ask for a copy in another region", "CKV_AWS_144")
	suppress.Finding(bucket, "No consumer needs event notifications of this bucket", "CKV2_AWS_62")

	bucketID := bucket.Id()
	versioning := s3bucketversioning.NewS3BucketVersioningA(scope, jsii.String(id+"_versioning"), &s3bucketversioning.S3BucketVersioningAConfig{
		Bucket:                  bucketID,
		VersioningConfiguration: &s3bucketversioning.S3BucketVersioningVersioningConfiguration{Status: jsii.String("Enabled")},
	})
	s3bucketserversideencryptionconfiguration.NewS3BucketServerSideEncryptionConfigurationA(scope, jsii.String(id+"_encryption"), &s3bucketserversideencryptionconfiguration.S3BucketServerSideEncryptionConfigurationAConfig{
		Bucket: bucketID,
		Rule: []*s3bucketserversideencryptionconfiguration.S3BucketServerSideEncryptionConfigurationRuleA{{
			ApplyServerSideEncryptionByDefault: &s3bucketserversideencryptionconfiguration.S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA{
				SseAlgorithm: jsii.String("AES256"), // SSE-S3
			},
		}},
	})
	s3bucketownershipcontrols.NewS3BucketOwnershipControls(scope, jsii.String(id+"_ownership"), &s3bucketownershipcontrols.S3BucketOwnershipControlsConfig{
		Bucket: bucketID,
		Rule:   &s3bucketownershipcontrols.S3BucketOwnershipControlsRule{ObjectOwnership: jsii.String("BucketOwnerEnforced")},
	})

	// S3 leaves objects of less than 128 KB where they are
	// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html).
	var transition any // an empty list would be a block
	if c.OldVersionsStorageClass != "" && c.OldVersionsStorageClass != "STANDARD" {
		transition = []*s3bucketlifecycleconfiguration.S3BucketLifecycleConfigurationRuleNoncurrentVersionTransition{{
			NoncurrentDays: jsii.Number(c.OldVersionsStorageDays),
			StorageClass:   jsii.String(c.OldVersionsStorageClass),
		}}
	}
	everyObject := []*s3bucketlifecycleconfiguration.S3BucketLifecycleConfigurationRuleFilter{{Prefix: jsii.String("")}}
	s3bucketlifecycleconfiguration.NewS3BucketLifecycleConfiguration(scope, jsii.String(id+"_lifecycle"), &s3bucketlifecycleconfiguration.S3BucketLifecycleConfigurationConfig{
		Bucket: bucketID,
		Rule: []*s3bucketlifecycleconfiguration.S3BucketLifecycleConfigurationRule{{
			Id:     jsii.String("expire-old-versions"),
			Status: jsii.String("Enabled"),
			Filter: everyObject,

			NoncurrentVersionTransition: transition,
			NoncurrentVersionExpiration: []*s3bucketlifecycleconfiguration.S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration{{
				NoncurrentDays: jsii.Number(c.OldVersionRetentionDays),
			}},
			// The delete marker of an object whose last version has expired.
			Expiration: []*s3bucketlifecycleconfiguration.S3BucketLifecycleConfigurationRuleExpiration{{
				ExpiredObjectDeleteMarker: jsii.Bool(true),
			}},
		}, {
			Id:     jsii.String("abort-unfinished-uploads"),
			Status: jsii.String("Enabled"),
			Filter: everyObject,
			AbortIncompleteMultipartUpload: []*s3bucketlifecycleconfiguration.S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload{{
				DaysAfterInitiation: jsii.Number(unfinishedUploadDays),
			}},
		}},
		DependsOn: &[]cdktf.ITerraformDependable{versioning}, // the first rule needs versions
	})

	block := s3bucketpublicaccessblock.NewS3BucketPublicAccessBlock(scope, jsii.String(id+"_public_access"), &s3bucketpublicaccessblock.S3BucketPublicAccessBlockConfig{
		Bucket:                bucketID,
		BlockPublicAcls:       jsii.Bool(true),
		BlockPublicPolicy:     jsii.Bool(true),
		IgnorePublicAcls:      jsii.Bool(true),
		RestrictPublicBuckets: jsii.Bool(true),
	})
	return &Output{bucket, block}
}

// Reader is a principal that may read the objects of a bucket.
type Reader struct {
	Principal policy.Principal
	Condition policy.Condition // nil: always
}

// NewPolicy creates the policy of the bucket: TLS only, and the readers. id is the bucket's.
func (o *Output) NewPolicy(scope constructs.Construct, id string, readers ...Reader) {
	objects := *o.Arn() + "/*"
	statements := []policy.Statement{{
		Sid:       "DenyInsecureTransport",
		Effect:    policy.Deny,
		Principal: policy.Anyone(),
		Action:    []string{"s3:*"},
		Resource:  []string{*o.Arn(), objects},
		Condition: policy.Condition{"Bool": {"aws:SecureTransport": {"false"}}},
	}}
	for _, reader := range readers {
		statements = append(statements, policy.Statement{
			Sid:       "AllowReaderGetObject",
			Effect:    policy.Allow,
			Principal: reader.Principal,
			Action:    []string{"s3:GetObject"},
			Resource:  []string{objects},
			Condition: reader.Condition,
		})
	}
	s3bucketpolicy.NewS3BucketPolicy(scope, jsii.String(id+"_policy"), &s3bucketpolicy.S3BucketPolicyConfig{
		Bucket:    o.Id(),
		Policy:    policy.Document(statements...),
		DependsOn: &[]cdktf.ITerraformDependable{o.publicAccessBlock}, // S3 refuses concurrent changes of a bucket's access
	})
}
