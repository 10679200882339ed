package operate

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/starttech/infrastructure/internal/awserror"
)

// Restore is what brings a file of the frontend back to what it was at a time.
type Restore struct {
	Key     string
	Version string // to copy; empty: the file did not exist, so it gets a delete marker
}

// RestoreCount is the number of files that a rollback of the frontend copies, marks as deleted, and leaves.
type RestoreCount struct {
	Copies    int `json:"copies"`
	Deletions int `json:"deletions"`
	Unchanged int `json:"unchanged"`
}

// version is a version or a delete marker of an object.
type version struct {
	id       string
	modified time.Time
	isLatest bool
	isMarker bool
	etag     string
}

// PlanRestore calls found for each file of the bucket that differs from what it was at a time. It keeps the versions of one file in memory at
// a time: S3 lists the versions of a key together, newest first
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html).
func (e *Environment) PlanRestore(ctx context.Context, to time.Time, found func(Restore) error) (RestoreCount, error) {
	bucket, err := e.Output("frontend_bucket")
	if err != nil {
		return RestoreCount{}, err
	}
	var count RestoreCount
	key, current, wanted := "", version{}, version{}
	hasCurrent, hasWanted := false, false
	complete := func() error {
		existsNow := hasCurrent && !current.isMarker
		existed := hasWanted && !wanted.isMarker
		switch {
		case existed && (!existsNow || current.id != wanted.id && current.etag != wanted.etag):
			count.Copies++
			return found(Restore{key, wanted.id})
		case !existed && existsNow && key == indexHTML:
			return fmt.Errorf("%s has no %s of %s: nothing was published then, or S3 has deleted that version since; choose a later time", bucket, indexHTML, to.UTC().Format(time.RFC3339))
		case !existed && existsNow:
			count.Deletions++
			return found(Restore{key, ""})
		case existsNow:
			count.Unchanged++
		}
		return nil
	}
	add := func(of string, v version) error {
		if of != key {
			if err := complete(); err != nil {
				return err
			}
			key, hasCurrent, hasWanted = of, false, false
		}
		if v.isLatest {
			current, hasCurrent = v, true
		}
		if !hasWanted && !v.modified.After(to) { // the newest one until then
			wanted, hasWanted = v, true
		}
		return nil
	}
	pages := s3.NewListObjectVersionsPaginator(e.s3(), &s3.ListObjectVersionsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return count, fmt.Errorf("list the versions of %s: %w", bucket, awserror.Plain(err))
		}
		for of, v := range merged(page) {
			if err := add(of, v); err != nil {
				return count, err
			}
		}
	}
	return count, complete()
}

// merged yields the versions and delete markers of a page by key, and newest first. The answer has them in two lists.
func merged(page *s3.ListObjectVersionsOutput) func(yield func(string, version) bool) {
	return func(yield func(string, version) bool) {
		versions, markers := page.Versions, page.DeleteMarkers
		for len(versions) > 0 || len(markers) > 0 {
			takeMarker := len(versions) == 0
			if len(versions) > 0 && len(markers) > 0 {
				v, m := versions[0], markers[0]
				of, than := aws.ToString(m.Key), aws.ToString(v.Key)
				takeMarker = of < than || of == than && newer(m, v)
			}
			if takeMarker {
				m := markers[0]
				markers = markers[1:]
				if !yield(aws.ToString(m.Key), version{aws.ToString(m.VersionId), aws.ToTime(m.LastModified), aws.ToBool(m.IsLatest), true, ""}) {
					return
				}
				continue
			}
			v := versions[0]
			versions = versions[1:]
			if !yield(aws.ToString(v.Key), version{aws.ToString(v.VersionId), aws.ToTime(v.LastModified), aws.ToBool(v.IsLatest), false, aws.ToString(v.ETag)}) {
				return
			}
		}
	}
}

func newer(m s3types.DeleteMarkerEntry, v s3types.ObjectVersion) bool {
	if aws.ToBool(m.IsLatest) || aws.ToBool(v.IsLatest) {
		return aws.ToBool(m.IsLatest)
	}
	return aws.ToTime(m.LastModified).After(aws.ToTime(v.LastModified))
}

// maxDeletions is S3's maximum of DeleteObjects (https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html).
const maxDeletions = 1000

// RestoreFrontend brings every file of the frontend back to what it was at a time: it copies earlier versions over the current ones, then
// index.html, and then gives files that did not exist a delete marker. Nothing is lost: every version stays. Then it invalidates the pages
// in CloudFront's caches. It can be repeated after an interrupt. progress gets the number of files.
func (e *Environment) RestoreFrontend(ctx context.Context, to time.Time, progress func(string)) (RestoreCount, error) {
	bucket, err := e.Output("frontend_bucket")
	if err != nil {
		return RestoreCount{}, err
	}
	client := e.s3()
	copyVersion := func(ctx context.Context, r Restore) error {
		source := bucket + "/" + url.PathEscape(r.Key) + "?versionId=" + url.QueryEscape(r.Version)
		if _, err := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &bucket, Key: &r.Key, CopySource: &source}); err != nil {
			return fmt.Errorf("restore %s: %w", r.Key, awserror.Plain(err))
		}
		return nil
	}
	remove := func(ctx context.Context, keys []s3types.ObjectIdentifier) error {
		answer, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &s3types.Delete{Objects: keys, Quiet: aws.Bool(true)}})
		if err != nil {
			return fmt.Errorf("delete files: %w", awserror.Plain(err))
		}
		if len(answer.Errors) > 0 {
			return fmt.Errorf("delete %s: %s", aws.ToString(answer.Errors[0].Key), aws.ToString(answer.Errors[0].Message))
		}
		return nil
	}

	// The copies run while the versions are listed. The deletions follow in a second listing, because an open page may still load what they
	// hide until index.html is restored.
	copies, copying := errgroup.WithContext(ctx)
	copies.SetLimit(parallel)
	var index *Restore
	done := 0
	count, err := e.PlanRestore(copying, to, func(r Restore) error {
		switch {
		case r.Version == "":
		case r.Key == indexHTML:
			index = &r
		default:
			copies.Go(func() error { return copyVersion(copying, r) })
			if done++; done%100 == 0 {
				progress(fmt.Sprintf("%d files restored", done))
			}
		}
		return nil
	})
	if err := errors.Join(copies.Wait(), err); err != nil {
		return count, err
	}
	if index != nil {
		if err := copyVersion(ctx, *index); err != nil {
			return count, err
		}
	}
	if count.Deletions > 0 {
		var keys []s3types.ObjectIdentifier
		flush := func() error {
			if len(keys) == 0 {
				return nil
			}
			err := remove(ctx, keys)
			keys = nil
			return err
		}
		if _, err := e.PlanRestore(ctx, to, func(r Restore) error {
			if r.Version != "" {
				return nil
			}
			if keys = append(keys, s3types.ObjectIdentifier{Key: &r.Key}); len(keys) == maxDeletions {
				return flush()
			}
			return nil
		}); err != nil {
			return count, err
		}
		if err := flush(); err != nil {
			return count, err
		}
	}
	if count.Copies+count.Deletions == 0 {
		return count, nil
	}
	return count, e.Invalidate(ctx, progress)
}

// FrontendVersion is a version of index.html.
type FrontendVersion struct {
	Release  string    `json:"release"` // empty: it was not released by this program
	Modified time.Time `json:"modified"`
}

// FrontendVersions returns the versions of index.html, newest first, at most limit.
func (e *Environment) FrontendVersions(ctx context.Context, limit int) ([]FrontendVersion, error) {
	bucket, err := e.Output("frontend_bucket")
	if err != nil {
		return nil, err
	}
	client := e.s3()
	answer, err := client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: aws.String(indexHTML), MaxKeys: aws.Int32(int32(limit))})
	if err != nil {
		return nil, fmt.Errorf("list the versions of index.html: %w", awserror.Plain(err))
	}
	var versions []FrontendVersion
	for _, v := range answer.Versions {
		if aws.ToString(v.Key) != indexHTML {
			continue
		}
		head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: v.Key, VersionId: v.VersionId})
		if err != nil {
			return nil, fmt.Errorf("read a version of index.html: %w", awserror.Plain(err))
		}
		versions = append(versions, FrontendVersion{head.Metadata[releaseKey], aws.ToTime(v.LastModified)})
	}
	return versions, nil
}
