package operate

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cloudfronttypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

const bucket = "starttech-staging-frontend-" + account

// newFrontend creates a versioned bucket and a distribution.
func newFrontend(t *testing.T) *operate.Environment {
	t.Helper()
	client := s3Client(t)
	created, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String(bucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region},
	})
	harness.Must(t, created, err)
	versioned, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: aws.String(bucket), VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	harness.Must(t, versioned, err)
	distribution, err := cloudfront.NewFromConfig(settings(t)).CreateDistribution(t.Context(), &cloudfront.CreateDistributionInput{DistributionConfig: &cloudfronttypes.DistributionConfig{
		CallerReference: aws.String("test"), Comment: aws.String(""), Enabled: aws.Bool(true),
		Origins: &cloudfronttypes.Origins{Quantity: aws.Int32(1), Items: []cloudfronttypes.Origin{{
			Id: aws.String("bucket"), DomainName: aws.String(bucket + ".s3.amazonaws.com"), S3OriginConfig: &cloudfronttypes.S3OriginConfig{OriginAccessIdentity: aws.String("")},
		}}},
		DefaultCacheBehavior: &cloudfronttypes.DefaultCacheBehavior{TargetOriginId: aws.String("bucket"), ViewerProtocolPolicy: cloudfronttypes.ViewerProtocolPolicyAllowAll},
	}})
	harness.Must(t, distribution, err)
	return open(t, operate.Outputs{"frontend_bucket": bucket, "distribution_id": *distribution.Distribution.Id})
}

// site is the current files of the bucket.
func site(t *testing.T) map[string]string {
	t.Helper()
	client, files := s3Client(t), map[string]string{}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		for _, object := range harness.Must(t, page, err).Contents {
			answer, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: object.Key})
			content, err := io.ReadAll(harness.Must(t, answer, err).Body)
			files[*object.Key] = fmt.Sprintf("%s (%s; %s)", harness.Must(t, content, err), aws.ToString(answer.ContentType), aws.ToString(answer.CacheControl))
		}
	}
	return files
}

func TestFrontendIsReleasedAndRolledBack(t *testing.T) {
	start(t, local.Options{})
	e := newFrontend(t)
	release := func(name string, files map[string]string) (uploaded []string) {
		t.Helper()
		dir := harness.WriteFiles(t, files)
		plan, err := e.PlanFrontend(t.Context(), dir)
		harness.Must(t, 0, err)
		harness.Must(t, 0, e.ReleaseFrontend(t.Context(), plan, name, func(string) {}))
		for _, upload := range plan.Uploads {
			uploaded = append(uploaded, upload.Key)
		}
		return uploaded
	}
	harness.Equal(t, "first uploads, in their order", release("first", map[string]string{
		"index.html": "<title>1</title>", "robots.txt": "User-agent: *", "assets/index-1.js": "first()", "assets/icon.svg": "<svg/>", "assets/x y+z.woff2": "font",
	}), []string{"assets/icon.svg", "assets/index-1.js", "assets/x y+z.woff2", "robots.txt", "index.html"})
	first := site(t)
	harness.Equal(t, "files of the first release", first, map[string]string{
		"index.html":         "<title>1</title> (text/html; charset=utf-8; no-cache)",
		"robots.txt":         "User-agent: * (text/plain; charset=utf-8; public, max-age=60)",
		"assets/index-1.js":  "first() (text/javascript; charset=utf-8; public, max-age=31536000, immutable)",
		"assets/icon.svg":    "<svg/> (image/svg+xml; public, max-age=31536000, immutable)",
		"assets/x y+z.woff2": "font (font/woff2; public, max-age=31536000, immutable)",
	})
	wait(t.Context())
	harness.Equal(t, "second uploads", release("second", map[string]string{
		"index.html": "<title>2</title>", "robots.txt": "User-agent: * (new)", "assets/index-2.js": "second()", "assets/icon.svg": "<svg/>",
	}), []string{"assets/index-2.js", "robots.txt", "index.html"})
	second := site(t)
	if second["assets/index-1.js"] == "" {
		t.Error("the second release has deleted an asset, which open pages may load")
	}

	versions, err := e.FrontendVersions(t.Context(), 10)
	harness.Must(t, 0, err)
	harness.Equal(t, "versions of the page", []string{versions[0].Release, versions[1].Release}, []string{"second", "first"})
	wait(t.Context())
	count, err := e.RestoreFrontend(t.Context(), versions[1].Modified, func(string) {})
	harness.Must(t, 0, err)
	harness.Equal(t, "restored", count, operate.RestoreCount{Copies: 2, Deletions: 1, Unchanged: 3})
	harness.Equal(t, "files after the rollback", site(t), first)
	again, err := e.RestoreFrontend(t.Context(), versions[1].Modified, func(string) {})
	harness.Must(t, 0, err)
	harness.Equal(t, "a second rollback has nothing to do", again, operate.RestoreCount{Unchanged: 5})

	_, err = e.RestoreFrontend(t.Context(), versions[1].Modified.Add(-time.Hour), func(string) {})
	if err == nil || !strings.Contains(err.Error(), " has no index.html of ") {
		t.Errorf("a rollback to a time without a page: %v", err)
	}
	harness.Equal(t, "files after the refused rollback", site(t), first)

	// The rollback is rolled back.
	_, err = e.RestoreFrontend(t.Context(), versions[0].Modified, func(string) {})
	harness.Must(t, 0, err)
	harness.Equal(t, "files after the rollback of the rollback", site(t), second)
}

func TestFrontendWithoutAPageIsRefused(t *testing.T) {
	dir := harness.WriteFiles(t, map[string]string{"app.js": ""})
	if _, err := operate.ReadFrontend(dir); err == nil || err.Error() != dir+" has no index.html; name the directory of the built frontend" {
		t.Error(err)
	}
	harness.Must(t, 0, os.Symlink("/etc/hostname", filepath.Join(dir, "index.html")))
	if _, err := operate.ReadFrontend(dir); err == nil || !strings.HasSuffix(err.Error(), "is not a regular file") {
		t.Error(err)
	}
}

// TestLargeBucketIsRestored restores 5,000 files, which have 20,000 versions, and measures the memory meanwhile.
func TestLargeBucketIsRestored(t *testing.T) {
	if testing.Short() {
		t.Skip("-short omits the large bucket")
	}
	start(t, local.Options{})
	e := newFrontend(t)
	client := s3Client(t)
	put := func(round int, from, to int) {
		t.Helper()
		var puts errgroup.Group
		puts.SetLimit(8)
		for i := from; i < to; i++ {
			puts.Go(func() error {
				_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
					Bucket: aws.String(bucket), Key: aws.String(fmt.Sprintf("assets/file-%04d.txt", i)), Body: strings.NewReader(fmt.Sprint(round, " ", i)),
				})
				return err
			})
		}
		harness.Must(t, 0, puts.Wait())
	}
	put(1, 0, 4500)
	put(2, 0, 4500)
	wait(t.Context())
	then := time.Now()
	wait(t.Context())
	put(3, 0, 5000) // 500 new ones
	put(4, 0, 5000)
	put(5, 0, 1000)

	var peak atomic.Uint64
	done := make(chan struct{})
	go func() {
		for {
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			peak.Store(max(peak.Load(), memory.HeapAlloc))
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	runtime.GC()
	begin := time.Now()
	count, err := e.RestoreFrontend(t.Context(), then, func(string) {})
	close(done)
	harness.Must(t, 0, err)
	t.Logf("%d files restored and %d hidden in %.1f s; at most %d MB of heap", count.Copies, count.Deletions, time.Since(begin).Seconds(), peak.Load()>>20)
	harness.Equal(t, "restored", count, operate.RestoreCount{Copies: 4500, Deletions: 500})
	if peak.Load() > 100<<20 {
		t.Errorf("the rollback used %d MB of heap; the limit is 100 MB", peak.Load()>>20)
	}
	restored := maps.Clone(site(t))
	if len(restored) != 4500 {
		t.Errorf("the site has %d files, want 4500", len(restored))
	}
	for i := range 4500 {
		key := fmt.Sprintf("assets/file-%04d.txt", i)
		if !strings.HasPrefix(restored[key], fmt.Sprintf("2 %d ", i)) {
			t.Fatalf("%s is %q", key, restored[key])
		}
	}
}
