package claims

import "testing"

// onEveryBucket makes a claim on the bucket of every stack. about is the resource of a type that configures the bucket.
func onEveryBucket(t *testing.T, claim func(t *testing.T, s stack, bucket string, about func(kind string) resource)) {
	t.Helper()
	onEveryStack(t, func(t *testing.T, s stack) {
		bucket, _ := s.Only(t, "aws_s3_bucket")
		claim(t, s, bucket, func(kind string) resource {
			_, r := s.Only(t, kind)
			r.Want(t, ref(bucket, "id"), "bucket")
			return r
		})
	})
}

func TestABucketIsEncryptedVersionedAndNotPublic(t *testing.T) {
	onEveryBucket(t, func(t *testing.T, s stack, bucket string, about func(string) resource) {
		about("aws_s3_bucket_versioning").Want(t, "Enabled", "versioning_configuration", "status")
		about("aws_s3_bucket_server_side_encryption_configuration").Want(t, "AES256", "rule", 0, "apply_server_side_encryption_by_default", "sse_algorithm")
		for _, block := range []string{"block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"} {
			about("aws_s3_bucket_public_access_block").Want(t, true, block)
		}
		about("aws_s3_bucket_ownership_controls").Want(t, "BucketOwnerEnforced", "rule", "object_ownership")
	})
}

func TestABucketExpiresOldVersionsAndIncompleteUploadsOnly(t *testing.T) {
	onEveryBucket(t, func(t *testing.T, s stack, bucket string, about func(string) resource) {
		lifecycle := about("aws_s3_bucket_lifecycle_configuration")
		var old, incomplete any
		rules, _ := lifecycle.Get("rule").([]any)
		for i := range rules {
			lifecycle.Want(t, "Enabled", "rule", i, "status")
			lifecycle.Want(t, "", "rule", i, "filter", 0, "prefix") // every object
			for _, current := range []string{"date", "days"} {      // never current versions
				lifecycle.Want(t, nil, "rule", i, "expiration", 0, current)
			}
			if days := lifecycle.Get("rule", i, "noncurrent_version_expiration", 0, "noncurrent_days"); days != nil {
				old = days
			}
			if days := lifecycle.Get("rule", i, "abort_incomplete_multipart_upload", 0, "days_after_initiation"); days != nil {
				incomplete = days
			}
		}
		want := 90
		if !s.IsBootstrap() {
			want = s.Environment().Frontend.OldVersionRetentionDays
		}
		equal(t, "days of old versions", old, any(float64(want)))
		equal(t, "days of incomplete uploads", incomplete, any(7.0))
	})
}

func TestABucketAllowsTLSOnlyAndOneReaderAtMost(t *testing.T) {
	onEveryBucket(t, func(t *testing.T, s stack, bucket string, about func(string) resource) {
		arn := ref(bucket, "arn")
		want := []statement{{
			Sid:       "DenyInsecureTransport",
			Effect:    "Deny",
			Principal: map[string][]string{"AWS": {"*"}},
			Action:    []string{"s3:*"},
			Resource:  []string{arn, arn + "/*"},
			Condition: map[string]map[string][]string{"Bool": {"aws:SecureTransport": {"false"}}},
		}}
		if !s.IsBootstrap() {
			reader := statement{
				Sid:       "AllowReaderGetObject",
				Effect:    "Allow",
				Principal: map[string][]string{"AWS": {ref("aws_cloudfront_origin_access_identity.frontend_origin_access_identity", "iam_arn")}},
				Action:    []string{"s3:GetObject"},
				Resource:  []string{arn + "/*"},
			}
			if s.Environment().Frontend.OriginAccess == "oac" { // every distribution of every account is this service
				reader.Principal = map[string][]string{"Service": {"cloudfront.amazonaws.com"}}
				reader.Condition = map[string]map[string][]string{"StringEquals": {"AWS:SourceArn": {ref(distribution, "arn")}}}
			}
			want = append(want, reader)
		}
		equal(t, "policy", about("aws_s3_bucket_policy").Statements(t, "policy"), want)
	})
}
