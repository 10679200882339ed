package operate

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cloudfronttypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/starttech/infrastructure/internal/awserror"
)

// The Cache-Control of the frontend's files. The names of assets contain a hash of their content.
const (
	cacheOfAssets = "public, max-age=31536000, immutable"
	cacheOfOthers = "public, max-age=60"
	cacheOfIndex  = "no-cache"
)

const (
	assets    = "assets/"
	indexHTML = "index.html"
)

// releaseKey is the key of index.html's metadata with the name of the release.
const releaseKey = "release"

// parallel is the number of requests to S3 at a time. S3 serves at least 3,500 writes a second for a prefix
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html).
const parallel = 16

// contentTypes are the types that a machine's own table lacks or has otherwise
// (https://www.iana.org/assignments/media-types/media-types.xhtml).
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".html": "text/html; charset=utf-8", ".ico": "image/vnd.microsoft.icon",
	".js": "text/javascript; charset=utf-8", ".json": "application/json", ".map": "application/json", ".md": "text/markdown; charset=utf-8",
	".mjs": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8", ".wasm": "application/wasm",
	".webmanifest": "application/manifest+json", ".webp": "image/webp", ".avif": "image/avif", ".woff": "font/woff", ".woff2": "font/woff2",
	".xml": "application/xml",
}

// ContentType is the Content-Type of a file by its name. CloudFront compresses by it
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/ServingCompressedFiles.html).
func ContentType(name string) string {
	extension := strings.ToLower(path.Ext(name))
	if kind := contentTypes[extension]; kind != "" {
		return kind
	}
	if kind := mime.TypeByExtension(extension); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

// Upload is a file that a release of the frontend uploads.
type Upload struct {
	Key          string `json:"key"`
	CacheControl string `json:"cacheControl"`
	ContentType  string `json:"contentType"`

	content []byte
}

// FrontendRelease is what a release of the frontend does.
type FrontendRelease struct {
	Uploads   []Upload `json:"uploads"`   // in their order: assets, other files, index.html
	Unchanged int      `json:"unchanged"` // files that the bucket has already
}

// ReadFrontend reads the directory of a built frontend.
func ReadFrontend(dir string) ([]Upload, error) {
	var uploads []Upload
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(relative)
		upload := Upload{Key: key, CacheControl: cacheOfOthers, ContentType: ContentType(key), content: content}
		switch {
		case key == indexHTML:
			upload.CacheControl = cacheOfIndex
		case strings.HasPrefix(key, assets):
			upload.CacheControl = cacheOfAssets
		}
		uploads = append(uploads, upload)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(uploads, func(u Upload) bool { return u.Key == indexHTML }) {
		return nil, fmt.Errorf("%s has no index.html; name the directory of the built frontend", dir)
	}
	slices.SortStableFunc(uploads, func(a, b Upload) int { return rank(a.Key) - rank(b.Key) })
	return uploads, nil
}

// rank orders files so that no page refers to one that is not there yet.
func rank(key string) int {
	switch {
	case strings.HasPrefix(key, assets):
		return 0
	case key == indexHTML:
		return 2
	}
	return 1
}

// PlanFrontend compares the files of a built frontend with the bucket.
func (e *Environment) PlanFrontend(ctx context.Context, dir string) (FrontendRelease, error) {
	uploads, err := ReadFrontend(dir)
	if err != nil {
		return FrontendRelease{}, err
	}
	bucket, err := e.Output("frontend_bucket")
	if err != nil {
		return FrontendRelease{}, err
	}
	present := map[string]string{} // ETag by key
	pages := s3.NewListObjectsV2Paginator(e.s3(), &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return FrontendRelease{}, fmt.Errorf("list the files of %s: %w", bucket, awserror.Plain(err))
		}
		for _, object := range page.Contents {
			present[aws.ToString(object.Key)] = strings.Trim(aws.ToString(object.ETag), `"`)
		}
	}
	var release FrontendRelease
	for _, upload := range uploads {
		// The ETag of an object that was uploaded in one request and is encrypted by S3's keys is its MD5
		// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html). index.html is always uploaded: it names the release.
		sum := md5.Sum(upload.content)
		if upload.Key != indexHTML && present[upload.Key] == hex.EncodeToString(sum[:]) {
			release.Unchanged++
			continue
		}
		release.Uploads = append(release.Uploads, upload)
	}
	return release, nil
}

// ReleaseFrontend uploads files: assets, then the others, then index.html, with the name of the release in its metadata. It deletes nothing,
// because an open page may still load it. Then it invalidates the pages in CloudFront's caches. progress gets the number of files.
func (e *Environment) ReleaseFrontend(ctx context.Context, release FrontendRelease, name string, progress func(string)) error {
	bucket, err := e.Output("frontend_bucket")
	if err != nil {
		return err
	}
	client, done := e.s3(), 0
	for group := range chunksByRank(release.Uploads) {
		uploads, ctx := errgroup.WithContext(ctx)
		uploads.SetLimit(parallel)
		for _, upload := range group {
			uploads.Go(func() error {
				metadata := map[string]string{}
				if upload.Key == indexHTML {
					metadata[releaseKey] = name
				}
				_, err := client.PutObject(ctx, &s3.PutObjectInput{
					Bucket: &bucket, Key: &upload.Key, Body: bytes.NewReader(upload.content), Metadata: metadata,
					CacheControl: &upload.CacheControl, ContentType: &upload.ContentType,
				})
				if err != nil {
					return fmt.Errorf("upload %s: %w", upload.Key, awserror.Plain(err))
				}
				return nil
			})
		}
		if err := uploads.Wait(); err != nil {
			return err
		}
		done += len(group)
		progress(fmt.Sprintf("%d of %d files uploaded", done, len(release.Uploads)))
	}
	return e.Invalidate(ctx, progress)
}

// chunksByRank yields the files with the same rank together.
func chunksByRank(uploads []Upload) func(yield func([]Upload) bool) {
	return func(yield func([]Upload) bool) {
		for len(uploads) > 0 {
			end := slices.IndexFunc(uploads, func(u Upload) bool { return rank(u.Key) != rank(uploads[0].Key) })
			if end < 0 {
				end = len(uploads)
			}
			if !yield(uploads[:end]) {
				return
			}
			uploads = uploads[end:]
		}
	}
}

// invalidationTimeout is longer than CloudFront takes, which is minutes at most
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Invalidation.html).
const invalidationTimeout = 15 * time.Minute

// Invalidate removes the page from CloudFront's caches, and waits until that is done.
func (e *Environment) Invalidate(ctx context.Context, progress func(string)) error {
	distribution, err := e.Output("distribution_id")
	if err != nil {
		return err
	}
	paths := []string{"/", "/" + indexHTML}
	reference := fmt.Sprint("starttech-", time.Now().UnixNano())
	client := e.cloudfront()
	created, err := client.CreateInvalidation(ctx, &cloudfront.CreateInvalidationInput{
		DistributionId: &distribution,
		InvalidationBatch: &cloudfronttypes.InvalidationBatch{
			CallerReference: &reference,
			Paths:           &cloudfronttypes.Paths{Items: paths, Quantity: aws.Int32(int32(len(paths)))},
		},
	})
	if err != nil {
		return fmt.Errorf("invalidate the page: %w", awserror.Plain(err))
	}
	if created.Invalidation == nil {
		return errors.New("invalidate the page: AWS returns no invalidation")
	}
	progress("waiting for CloudFront's invalidation")
	waiter := cloudfront.NewInvalidationCompletedWaiter(client, func(options *cloudfront.InvalidationCompletedWaiterOptions) {
		options.MinDelay, options.MaxDelay = 2*time.Second, 10*time.Second
	})
	if err := waiter.Wait(ctx, &cloudfront.GetInvalidationInput{DistributionId: &distribution, Id: created.Invalidation.Id}, invalidationTimeout); err != nil {
		return fmt.Errorf("the invalidation %s does not end: %w", aws.ToString(created.Invalidation.Id), awserror.Plain(err))
	}
	return nil
}

// FrontendReleased is the name of the release in index.html's metadata; empty if there is none.
func (e *Environment) FrontendReleased(ctx context.Context) (name string, modified time.Time, err error) {
	bucket, err := e.Output("frontend_bucket")
	if err != nil {
		return "", time.Time{}, err
	}
	head, err := e.s3().HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String(indexHTML)})
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) && (api.ErrorCode() == "NotFound" || api.ErrorCode() == "NoSuchKey") {
		return "", time.Time{}, nil
	} else if err != nil {
		return "", time.Time{}, fmt.Errorf("read index.html of %s: %w", bucket, awserror.Plain(err))
	}
	return head.Metadata[releaseKey], aws.ToTime(head.LastModified), nil
}
