// Command restore rolls the files of a frontend back, as starttech rollback frontend does, or makes the requests alone that this needs.
//
//	restore plan BUCKET DISTRIBUTION TIME        print what a rollback to a time would do, as JSON
//	restore rollback BUCKET DISTRIBUTION TIME    roll back
//	restore requests BUCKET DISTRIBUTION FILE    make the requests of a plan
//
// The last two print their peak memory in bytes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/operate"
)

// The numbers of requests at a time, and of keys in a request for deletions, as in internal/operate.
const (
	parallel     = 16
	maxDeletions = 1000
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "restore:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) != 5 {
		return errors.New("want MODE BUCKET DISTRIBUTION and TIME or FILE")
	}
	mode, bucket, distribution, argument := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	environment := config.Default()
	environment.Name, environment.Account = "bench", "123456789012"
	e, err := operate.OpenWith(ctx, environment, operate.Outputs{"frontend_bucket": bucket, "distribution_id": distribution})
	if err != nil {
		return err
	}
	if mode == "requests" {
		return errors.Join(makeRequests(ctx, e, bucket, argument), printMemory())
	}
	to, err := time.Parse(time.RFC3339Nano, argument)
	if err != nil {
		return err
	}
	switch mode {
	case "plan":
		var plan []operate.Restore
		if _, err := e.PlanRestore(ctx, to, func(r operate.Restore) error { plan = append(plan, r); return nil }); err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(plan)
	case "rollback":
		_, err := e.RestoreFrontend(ctx, to, func(string) {})
		return errors.Join(err, printMemory())
	}
	return fmt.Errorf("%q is no mode", mode)
}

// makeRequests lists the versions once, and makes the copies, the deletions and the invalidation of a plan.
func makeRequests(ctx context.Context, e *operate.Environment, bucket, file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var plan []operate.Restore
	if err := json.Unmarshal(content, &plan); err != nil {
		return err
	}
	settings, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(e.Region))
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(settings, func(options *s3.Options) { options.UsePathStyle = true })
	listing, listContext := errgroup.WithContext(ctx)
	listing.Go(func() error {
		pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{Bucket: &bucket})
		for pages.HasMorePages() {
			if _, err := pages.NextPage(listContext); err != nil {
				return err
			}
		}
		return nil
	})
	requests, requestContext := errgroup.WithContext(ctx)
	requests.SetLimit(parallel)
	var deletions []s3types.ObjectIdentifier
	for _, r := range plan {
		if r.Version == "" {
			deletions = append(deletions, s3types.ObjectIdentifier{Key: &r.Key})
			continue
		}
		requests.Go(func() error {
			source := bucket + "/" + url.PathEscape(r.Key) + "?versionId=" + url.QueryEscape(r.Version)
			_, err := client.CopyObject(requestContext, &s3.CopyObjectInput{Bucket: &bucket, Key: &r.Key, CopySource: &source})
			return err
		})
	}
	for len(deletions) > 0 {
		keys := deletions[:min(maxDeletions, len(deletions))]
		deletions = deletions[len(keys):]
		requests.Go(func() error {
			_, err := client.DeleteObjects(requestContext, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &s3types.Delete{Objects: keys, Quiet: aws.Bool(true)}})
			return err
		})
	}
	if err := errors.Join(requests.Wait(), listing.Wait()); err != nil {
		return err
	}
	return e.Invalidate(ctx, func(string) {})
}

// printMemory prints the largest memory of this process so far, in bytes. Linux counts it in KiB, and macOS in bytes.
func printMemory() error {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	peak := usage.Maxrss
	if runtime.GOOS == "linux" {
		peak *= 1 << 10
	}
	_, err := fmt.Println(peak)
	return err
}
