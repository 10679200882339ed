package test

import "testing"

// buckets is where each bucket is, by stack.
func onEveryBucket(t *testing.T, claim func(t *testing.T, s stack, bucket string)) {
	t.Helper()
	onEveryStack(t, func(t *testing.T, s stack) {
		if len(s.ofType("aws_s3_bucket")) == 0 {
			t.Fatal("no bucket")
		}
		for address := range s.ofType("aws_s3_bucket") {
			claim(t, s, address)
		}
	})
}

// about is the one resource of a type that configures a bucket.
func (s stack) about(t *testing.T, kind, bucket string) resource {
	t.Helper()
	for _, r := range s.ofType(kind) {
		if r.text("bucket") == ref(bucket, "id") {
			return r
		}
	}
	t.Fatalf("%s has no %s", bucket, kind)
	return nil
}

func TestABucketKeepsOldVersionsForAWhile(t *testing.T) {
	onEveryBucket(t, func(t *testing.T, s stack, bucket string) {
		s.about(t, "aws_s3_bucket_versioning", bucket).want(t, "Enabled", "versioning_configuration", "status")

		lifecycle := s.about(t, "aws_s3_bucket_lifecycle_configuration", bucket)
		var old, unfinished any
		rules, _ := lifecycle.get("rule").([]any)
		for i := range rules {
			lifecycle.want(t, "Enabled", "rule", i, "status")
			lifecycle.want(t, "", "rule", i, "filter", 0, "prefix") // every object
			for _, what := range []string{"date", "days"} {         // never what is current
				lifecycle.want(t, nil, "rule", i, "expiration", 0, what)
			}
			if days := lifecycle.get("rule", i, "noncurrent_version_expiration", 0, "noncurrent_days"); days != nil {
				old = days
			}
			if days := lifecycle.get("rule", i, "abort_incomplete_multipart_upload", 0, "days_after_initiation"); days != nil {
				unfinished = days
			}
		}
		equal(t, "old versions", old, any(90.0))
		equal(t, "unfinished uploads", unfinished, any(7.0))
	})
}

func TestABucketIsEncrypted(t *testing.T) {
	onEveryBucket(t, func(t *testing.T, s stack, bucket string) {
		s.about(t, "aws_s3_bucket_server_side_encryption_configuration", bucket).
			want(t, "AES256", "rule", 0, "apply_server_side_encryption_by_default", "sse_algorithm")
	})
}

func TestABucketIsClosedToThePublic(t *testing.T) {
	onEveryBucket(t, func(t *testing.T, s stack, bucket string) {
		access := s.about(t, "aws_s3_bucket_public_access_block", bucket)
		for _, block := range []string{"block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"} {
			access.want(t, true, block)
		}
		s.about(t, "aws_s3_bucket_ownership_controls", bucket).want(t, "BucketOwnerEnforced", "rule", "object_ownership")
	})
}

func TestABucketAnswersByTLSOnlyAndOneReaderAtMost(t *testing.T) {
	onEveryBucket(t, func(t *testing.T, s stack, bucket string) {
		arn := ref(bucket, "arn")
		want := []statement{{
			Sid:       "DenyInsecureTransport",
			Effect:    "Deny",
			Principal: map[string][]string{"AWS": {"*"}},
			Action:    []string{"s3:*"},
			Resource:  []string{arn, arn + "/*"},
			Condition: map[string]map[string][]string{"Bool": {"aws:SecureTransport": {"false"}}},
		}}
		if bucket == "aws_s3_bucket.frontend" {
			want = append(want, statement{
				Sid:       "AllowReaderGetObject",
				Effect:    "Allow",
				Principal: map[string][]string{"AWS": {ref("aws_cloudfront_origin_access_identity.frontend_origin_access_identity", "iam_arn")}},
				Action:    []string{"s3:GetObject"},
				Resource:  []string{arn + "/*"},
			})
		}
		equal(t, "policy of "+bucket, s.about(t, "aws_s3_bucket_policy", bucket).statements(t, "policy"), want)
	})
}
