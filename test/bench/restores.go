package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cloudfronttypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/packagecache/bench/measure"
)

const (
	restoreRounds = 3
	restoreBucket = "starttech-bench-frontend-123456789012"

	// maxRestoreTime is the longest time of a rollback, as a multiple of that of the requests that it needs: 80 % of their rate.
	maxRestoreTime = 1.25
	// maxRestoreMemory is in MB. A rollback keeps no list of the bucket's files.
	maxRestoreMemory = 100
)

// restores is a rollback of a frontend and its requests alone, on a server.
type restores struct {
	on                 string // what the server is, and has
	rollback, requests *measure.Program
}

// newRestores plans the rollback to a time. env is of the AWS clients.
func newRestores(ctx context.Context, scratch, on, distribution string, to time.Time, env []string) (restores, error) {
	program := filepath.Join(scratch, "programs", "restore")
	run := func(mode, argument string) *measure.Program {
		return &measure.Program{Name: mode + ", " + on, Command: []string{program, mode, restoreBucket, distribution, argument}, Env: env}
	}
	plan, err := run("plan", to.Format(time.RFC3339Nano)).Run(ctx)
	if err != nil {
		return restores{}, err
	}
	file := filepath.Join(scratch, on+".json")
	return restores{on, run("rollback", to.Format(time.RFC3339Nano)), run("requests", file)}, os.WriteFile(file, plan.Stdout, 0o644)
}

// time runs both in turn. Before each rollback, change makes the bucket different from what it was at the time.
func (r restores) time(ctx context.Context, change func() error, check func() error) ([]measure.Figure, error) {
	for range restoreRounds {
		if err := change(); err != nil {
			return nil, err
		}
		for _, p := range []*measure.Program{r.rollback, r.requests} {
			run, err := p.Run(ctx)
			if err != nil {
				return nil, err
			}
			peak, err := strconv.ParseInt(strings.TrimSpace(string(run.Stdout)), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: its peak memory: %w", p.Name, err)
			}
			p.Runs, p.Peaks = append(p.Runs, run), append(p.Peaks, peak)
			if err := check(); err != nil {
				return nil, fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	fmt.Println()
	measure.PrintMedians(os.Stdout, []*measure.Program{r.rollback, r.requests})
	return []measure.Figure{
		measure.Ratio("rollback / its requests, "+r.on, r.rollback, r.requests, maxRestoreTime),
		{Name: "memory of the rollback, " + r.on, Value: float64(measure.Median(r.rollback.Peaks)) / 1e6, Unit: "MB", Limit: maxRestoreMemory},
	}, nil
}

// timeRestores compares a rollback of the frontend with the requests that it needs: of 5,000 files in 20,000 versions on a local AWS, and of
// 10,000 files in 50,000 versions on a server that counts the requests.
func timeRestores(ctx context.Context, scratch string) ([]measure.Figure, error) {
	onLocalAWS, err := timeRestoreOnLocalAWS(ctx, scratch)
	if err != nil {
		return nil, err
	}
	onCounter, err := timeRestoreOnCounter(ctx, scratch)
	return append(onLocalAWS, onCounter...), err
}

func timeRestoreOnLocalAWS(ctx context.Context, scratch string) (figures []measure.Figure, err error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	emulator, err := local.Start(ctx, local.Options{Root: root, Dir: filepath.Join(scratch, "restores"), Account: "123456789012", Region: "eu-west-1"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, emulator.Stop()) }()
	var env []string
	for name, value := range emulator.Env() {
		env = append(env, name+"="+value)
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	settings, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	bucket, client := aws.String(restoreBucket), s3.NewFromConfig(settings, func(options *s3.Options) { options.UsePathStyle = true })
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
		return nil, err
	}
	if _, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	}); err != nil {
		return nil, err
	}
	distribution, err := cloudfront.NewFromConfig(settings).CreateDistribution(ctx, &cloudfront.CreateDistributionInput{DistributionConfig: &cloudfronttypes.DistributionConfig{
		CallerReference: aws.String("bench"), Comment: aws.String(""), Enabled: aws.Bool(true),
		Origins: &cloudfronttypes.Origins{Quantity: aws.Int32(1), Items: []cloudfronttypes.Origin{{
			Id: aws.String("bucket"), DomainName: aws.String(restoreBucket + ".s3.amazonaws.com"), S3OriginConfig: &cloudfronttypes.S3OriginConfig{OriginAccessIdentity: aws.String("")},
		}}},
		DefaultCacheBehavior: &cloudfronttypes.DefaultCacheBehavior{TargetOriginId: aws.String("bucket"), ViewerProtocolPolicy: cloudfronttypes.ViewerProtocolPolicyAllowAll},
	}})
	if err != nil {
		return nil, err
	}
	version := 0
	put := func(files int) error {
		version++
		puts, ctx := errgroup.WithContext(ctx)
		puts.SetLimit(8)
		for i := range files {
			puts.Go(func() error {
				_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(fmt.Sprintf("assets/file-%04d.js", i)), Body: strings.NewReader(fmt.Sprint(version, " ", i))})
				return err
			})
		}
		return puts.Wait()
	}
	second := func() { time.Sleep(1100 * time.Millisecond) } // S3's times have seconds
	if err := errors.Join(put(4500), put(4500)); err != nil {
		return nil, err
	}
	second()
	to := time.Now()
	second()
	if err := errors.Join(put(5000), put(5000), put(1000)); err != nil { // 500 of the files are new
		return nil, err
	}
	r, err := newRestores(ctx, scratch, "20,000 versions", *distribution.Distribution.Id, to, env)
	if err != nil {
		return nil, err
	}
	changed := false
	return r.time(ctx, func() error {
		if !changed { // the bucket has its 20,000 versions
			changed = true
			return nil
		}
		return put(5000)
	}, func() error { // each file is the second version again
		files := 0
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			files += len(page.Contents)
		}
		if files != 4500 {
			return fmt.Errorf("the bucket has %d files, want 4500", files)
		}
		return nil
	})
}

// counter is a server with a bucket of files in five versions each, newest first: 0 and 1 from after the rollback's time, 2 to 4 from
// before. Each tenth file is new: all of its versions are from after it. The bucket never changes, and the requests are counted.
type counter struct {
	mutex     sync.Mutex
	copies    map[string]string // version by key
	deletions map[string]bool   // keys
	others    int               // requests that no rollback makes
}

const (
	countedFiles    = 10_000
	countedVersions = 5
	listedVersions  = 1000 // in a page
)

var countedTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func countedKey(file int) string { return fmt.Sprintf("assets/file-%05d.js", file) }

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	key, inBucket := strings.CutPrefix(r.URL.Path, "/"+restoreBucket+"/")
	switch {
	case r.Method == http.MethodGet && r.URL.Query().Has("versions"):
		listVersions(w, r.URL.Query())
	case r.Method == http.MethodPut && inBucket:
		source, _ := url.Parse(r.Header.Get("X-Amz-Copy-Source"))
		c.mutex.Lock()
		c.copies[key] = source.Query().Get("versionId")
		c.mutex.Unlock()
		fmt.Fprint(w, `<CopyObjectResult><ETag>"x"</ETag></CopyObjectResult>`)
	case r.Method == http.MethodPost && r.URL.Query().Has("delete"):
		c.mutex.Lock()
		for part := range bytes.SplitSeq(body, []byte("<Key>")) {
			if key, _, ok := bytes.Cut(part, []byte("</Key>")); ok {
				c.deletions[string(key)] = true
			}
		}
		c.mutex.Unlock()
		fmt.Fprint(w, `<DeleteResult></DeleteResult>`)
	case strings.Contains(r.URL.Path, "/invalidation"):
		fmt.Fprint(w, `<Invalidation><Id>I1</Id><Status>Completed</Status></Invalidation>`)
	default:
		c.mutex.Lock()
		c.others++
		c.mutex.Unlock()
		http.Error(w, "unexpected", http.StatusBadRequest)
	}
}

func listVersions(w io.Writer, query url.Values) {
	begin, _ := strconv.Atoi(query.Get("version-id-marker")) // the number of versions before the page
	end := min(begin+listedVersions, countedFiles*countedVersions)
	fmt.Fprintf(w, "<ListVersionsResult><IsTruncated>%t</IsTruncated><NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%d</NextVersionIdMarker>",
		end < countedFiles*countedVersions, countedKey(end/countedVersions), end)
	for i := begin; i < end; i++ {
		file, version := i/countedVersions, i%countedVersions
		when := countedTime.Add(time.Duration(2-version)*time.Hour - time.Minute)
		if file%10 == 0 {
			when = when.Add(10 * time.Hour)
		}
		fmt.Fprintf(w, `<Version><Key>%s</Key><VersionId>v%d</VersionId><IsLatest>%t</IsLatest><LastModified>%s</LastModified><ETag>"%d"</ETag><Size>1</Size></Version>`,
			countedKey(file), version, version == 0, when.Format("2006-01-02T15:04:05.000Z"), i)
	}
	fmt.Fprint(w, "</ListVersionsResult>")
}

// check compares the requests with those of a rollback, and forgets them.
func (c *counter) check() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for file := range countedFiles {
		key, isNew := countedKey(file), file%10 == 0
		if c.deletions[key] != isNew || isNew == (c.copies[key] == "v2") {
			return fmt.Errorf("%s: copied version %q, deleted %t; want v2 unless it is new", key, c.copies[key], c.deletions[key])
		}
	}
	if c.others > 0 {
		return fmt.Errorf("%d requests that no rollback makes", c.others)
	}
	c.copies, c.deletions = map[string]string{}, map[string]bool{}
	return nil
}

func timeRestoreOnCounter(ctx context.Context, scratch string) ([]measure.Figure, error) {
	c := &counter{copies: map[string]string{}, deletions: map[string]bool{}}
	server := httptest.NewServer(c)
	defer server.Close()
	env := []string{"AWS_ENDPOINT_URL=" + server.URL, "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b"}
	r, err := newRestores(ctx, scratch, "50,000 versions", "E1", countedTime, env)
	if err != nil {
		return nil, err
	}
	var plan []operate.Restore
	content, err := os.ReadFile(r.requests.Command[len(r.requests.Command)-1])
	if err := errors.Join(err, json.Unmarshal(content, &plan)); err != nil {
		return nil, err
	}
	if len(plan) != countedFiles {
		return nil, fmt.Errorf("the plan has %d files, want %d", len(plan), countedFiles)
	}
	return r.time(ctx, func() error { return nil }, c.check)
}
