package operate

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	autoscalingtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/starttech/infrastructure/internal/awserror"
	"github.com/starttech/infrastructure/internal/refresh"
)

// NoRelease is the tag before the first release: the instances run a placeholder.
const NoRelease = "none"

// validTag is the pattern of the release parameter: a Docker tag (https://docs.docker.com/reference/cli/docker/image/tag/).
var validTag = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// Image is an image of the backend in ECR.
type Image struct {
	Tag      string    `json:"tag"`
	Pushed   time.Time `json:"pushed"`
	Digest   string    `json:"digest"`
	Critical int       `json:"critical"` // findings of the scan
	High     int       `json:"high"`
	Scan     string    `json:"scan"` // COMPLETE, IN_PROGRESS, ...: ECR's status of the scan; empty if there is none
}

// Repository is the name of the ECR repository, without its registry.
func (e *Environment) Repository() (string, error) {
	url, err := e.Output("ecr_repository_url")
	_, name, _ := strings.Cut(url, "/")
	return name, err
}

// Image returns an image by its tag. If ECR lacks it, the error lists the newest tags.
func (e *Environment) Image(ctx context.Context, tag string) (Image, error) {
	repository, err := e.Repository()
	if err != nil {
		return Image{}, err
	}
	if !validTag.MatchString(tag) || tag == NoRelease {
		return Image{}, fmt.Errorf("%q is not the tag of an image; allowed: letters, digits and _ . -, at most 128, and not %s", tag, NoRelease)
	}
	answer, err := e.ecr().DescribeImages(ctx, &ecr.DescribeImagesInput{
		RepositoryName: &repository,
		ImageIds:       []ecrtypes.ImageIdentifier{{ImageTag: &tag}},
	})
	var missing *ecrtypes.ImageNotFoundException
	switch {
	case errors.As(err, &missing):
		newest := "it has no images"
		if images, err := e.Images(ctx); err == nil && len(images) > 0 {
			var tags []string
			for _, image := range images[:min(3, len(images))] {
				tags = append(tags, image.Tag)
			}
			newest = "the newest are " + strings.Join(tags, ", ")
		}
		return Image{}, fmt.Errorf("%s has no image %s; %s", repository, tag, newest)
	case err != nil:
		return Image{}, fmt.Errorf("read the image %s: %w", tag, awserror.Plain(err))
	case len(answer.ImageDetails) == 0:
		return Image{}, fmt.Errorf("%s has no image %s", repository, tag)
	}
	return imageOf(tag, answer.ImageDetails[0]), nil
}

// Images returns the images with a tag, newest first.
func (e *Environment) Images(ctx context.Context) ([]Image, error) {
	repository, err := e.Repository()
	if err != nil {
		return nil, err
	}
	var images []Image
	pages := ecr.NewDescribeImagesPaginator(e.ecr(), &ecr.DescribeImagesInput{RepositoryName: &repository, Filter: &ecrtypes.DescribeImagesFilter{TagStatus: ecrtypes.TagStatusTagged}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the images: %w", awserror.Plain(err))
		}
		for _, detail := range page.ImageDetails {
			for _, tag := range detail.ImageTags {
				images = append(images, imageOf(tag, detail))
			}
		}
	}
	slices.SortFunc(images, func(a, b Image) int { return b.Pushed.Compare(a.Pushed) })
	return images, nil
}

func imageOf(tag string, detail ecrtypes.ImageDetail) Image {
	image := Image{Tag: tag, Pushed: aws.ToTime(detail.ImagePushedAt), Digest: aws.ToString(detail.ImageDigest)}
	if detail.ImageScanStatus != nil {
		image.Scan = string(detail.ImageScanStatus.Status)
	}
	if findings := detail.ImageScanFindingsSummary; findings != nil {
		image.Critical = int(findings.FindingSeverityCounts["CRITICAL"])
		image.High = int(findings.FindingSeverityCounts["HIGH"])
	}
	return image
}

// RegistryPassword is the password of the user AWS in the ECR registry, for twelve hours
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html).
func (e *Environment) RegistryPassword(ctx context.Context) (string, error) {
	answer, err := e.ecr().GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return "", fmt.Errorf("sign in to ECR: %w", awserror.Plain(err))
	}
	if len(answer.AuthorizationData) == 0 {
		return "", errors.New("sign in to ECR: AWS returns no token")
	}
	token, err := base64.StdEncoding.DecodeString(aws.ToString(answer.AuthorizationData[0].AuthorizationToken))
	if err != nil {
		return "", fmt.Errorf("sign in to ECR: %w", err)
	}
	_, password, _ := strings.Cut(string(token), ":")
	return password, nil
}

// Release is what the release parameter was at a time.
type Release struct {
	Tag  string    `json:"tag"`
	Time time.Time `json:"time"`
	By   string    `json:"by"` // ARN of the user or role session
}

// Releases returns the history of the release parameter, newest first. SSM keeps the last 100 versions
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html).
func (e *Environment) Releases(ctx context.Context) ([]Release, error) {
	parameter, err := e.Output("release_parameter")
	if err != nil {
		return nil, err
	}
	var releases []Release
	pages := ssm.NewGetParameterHistoryPaginator(e.ssm(), &ssm.GetParameterHistoryInput{Name: &parameter})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", parameter, awserror.Plain(err))
		}
		for _, version := range page.Parameters {
			releases = append(releases, Release{aws.ToString(version.Value), aws.ToTime(version.LastModifiedDate), aws.ToString(version.LastModifiedUser)})
		}
	}
	slices.Reverse(releases) // SSM returns the oldest first
	return releases, nil
}

// Before returns the newest release that is not the current one, from the history of the release parameter.
func Before(releases []Release) (Release, error) {
	for _, release := range releases {
		if release.Tag != releases[0].Tag && release.Tag != NoRelease {
			return release, nil
		}
	}
	return Release{}, errors.New("there is no release before the current one")
}

// Released returns the image tag that new instances run, NoRelease before the first release.
func (e *Environment) Released(ctx context.Context) (string, error) {
	tag, _, err := e.readTag(ctx)
	return tag, err
}

// readTag returns the value of the release parameter, and when it was written.
func (e *Environment) readTag(ctx context.Context) (tag string, written time.Time, err error) {
	parameter, err := e.Output("release_parameter")
	if err != nil {
		return "", time.Time{}, err
	}
	answer, err := e.ssm().GetParameter(ctx, &ssm.GetParameterInput{Name: &parameter})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("read the parameter %s: %w", parameter, awserror.Plain(err))
	}
	if answer.Parameter == nil {
		return "", time.Time{}, fmt.Errorf("read the parameter %s: AWS returns no parameter", parameter)
	}
	return aws.ToString(answer.Parameter.Value), aws.ToTime(answer.Parameter.LastModifiedDate), nil
}

func (e *Environment) writeTag(ctx context.Context, tag string) error {
	parameter, err := e.Output("release_parameter")
	if err != nil {
		return err
	}
	_, err = e.ssm().PutParameter(ctx, &ssm.PutParameterInput{Name: &parameter, Value: &tag, Type: ssmtypes.ParameterTypeString, Overwrite: aws.Bool(true)})
	if err != nil {
		return fmt.Errorf("write the parameter %s: %w", parameter, awserror.Plain(err))
	}
	return nil
}

// rollbackTimeout limits a rollback, which waits until the cancelled instance refresh has ended.
const rollbackTimeout = 3 * time.Minute

// RolledBackError is the error of a release after its rollback.
type RolledBackError struct {
	Err     error    // the reason
	Result  string   // of the rollback
	Reports []string // what the instances of the release logged last
}

func (e *RolledBackError) Error() string { return e.Err.Error() + "; " + e.Result }
func (e *RolledBackError) Unwrap() error { return e.Err }

// IsReleased reports whether the instances run an image tag: it is written, and the last instance refresh is successful. If one is in
// progress, IsReleased waits for its end. progress gets the percentage.
func (e *Environment) IsReleased(ctx context.Context, tag string, progress func(string)) (bool, error) {
	released, err := e.Released(ctx)
	if err != nil || released != tag {
		return false, err
	}
	last, err := e.WaitForLastRefresh(ctx, progress)
	return last.Status == autoscalingtypes.InstanceRefreshStatusSuccessful, err
}

// ReleaseBackend writes the tag of a pushed image, and replaces the instances. It first waits for an instance refresh that is in progress,
// for example after a change of the configuration. If the release fails or ctx is cancelled, it rolls back, and returns a
// *RolledBackError. If the tag was the earlier one already, there is no rollback. progress gets the percentage.
func (e *Environment) ReleaseBackend(ctx context.Context, tag string, progress func(string)) error {
	if _, err := e.WaitForLastRefresh(ctx, progress); err != nil {
		return err
	}
	earlier, err := e.Released(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	id, err := e.replaceInstances(ctx, tag, progress)
	if err == nil || earlier == tag {
		return err
	}
	result := e.rollBack(ctx, earlier, id, progress)
	reports, _ := e.instanceReports(context.WithoutCancel(ctx), begin) // a help only
	return &RolledBackError{err, result, reports}
}

// replaceInstances writes a tag, starts an instance refresh, and waits for its end. The ID is empty if none has started.
func (e *Environment) replaceInstances(ctx context.Context, tag string, progress func(string)) (id string, err error) {
	group, err := e.group()
	if err != nil {
		return "", err
	}
	if err := e.writeTag(ctx, tag); err != nil {
		return "", err
	}
	if id, err = e.StartRefresh(ctx); err != nil {
		return "", err
	}
	ended, err := group.Wait(ctx, id, func(percentage int) { progress(fmt.Sprintf("%d %% of the instances replaced", percentage)) })
	return id, cmp.Or(err, ended.Err())
}

// rollBack writes the earlier tag, and returns the result. It does not wait for the instances. id is the release's instance refresh.
func (e *Environment) rollBack(ctx context.Context, earlier, id string, progress func(string)) (result string) {
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if err := e.writeTag(ctx, earlier); err != nil {
		return fmt.Sprintf("the rollback to %s failed: %v", earlier, err)
	}
	// An interrupted release may have started an instance refresh without its ID, so the one in progress is the release's.
	replacement, err := e.restartRefresh(ctx, progress, func(last refresh.Refresh) bool { return last.ID == id || id == "" && interrupted })
	if err != nil {
		return fmt.Sprintf("%s is released again, but replaces no instance: %v", earlier, err)
	}
	return fmt.Sprintf("%s is released again, and instance refresh %s replaces the instances", earlier, replacement)
}

// PutBack completes the rollback of a release that was killed, and returns the result. It writes the tag before the release, cancels the
// release's instance refresh, and starts another one, for which it does not wait. It repeats nothing that the release has done itself.
func (e *Environment) PutBack(ctx context.Context, earlier string, progress func(string)) (result string, err error) {
	group, err := e.group()
	if err != nil {
		return "", err
	}
	released, written, err := e.readTag(ctx)
	if err != nil {
		return "", err
	}
	last, err := group.Find(ctx, "")
	if err != nil {
		return "", err
	}
	// SSM and Auto Scaling have clocks of their own, and a pending refresh need not have a start time.
	follows := last.Started.IsZero() || last.Started.Sub(written) > -time.Second
	isCancelled := slices.Contains([]autoscalingtypes.InstanceRefreshStatus{
		autoscalingtypes.InstanceRefreshStatusCancelling, autoscalingtypes.InstanceRefreshStatusCancelled,
	}, last.Status)
	if released == earlier && (last.ID == "" || follows && !isCancelled) {
		return earlier + " is released already", nil
	}
	if released != earlier {
		if err := e.writeTag(ctx, earlier); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, rollbackTimeout)
	defer cancel()
	replacement, err := e.restartRefresh(ctx, progress, func(found refresh.Refresh) bool {
		return released != earlier && follows && found.ID == last.ID
	})
	if err != nil {
		return "", fmt.Errorf("%s is released again, but replaces no instance: %w", earlier, err)
	}
	return fmt.Sprintf("%s is released again, and instance refresh %s replaces the instances", earlier, replacement), nil
}

// startDelay is the longest time between a release's parameter and its instance refresh.
const startDelay = time.Minute

// RollBackBackend releases an earlier tag. If the instance refresh of the current release is in progress, it is cancelled; any other one
// ends first. Then it is like ReleaseBackend.
func (e *Environment) RollBackBackend(ctx context.Context, tag string, releases []Release, progress func(string)) error {
	group, err := e.group()
	if err != nil {
		return err
	}
	last, err := group.Find(ctx, "")
	if err != nil {
		return err
	}
	delay := last.Started.Sub(releases[0].Time)
	if last.IsActive() && delay > -time.Second && delay < startDelay {
		// First the tag, so that the group starts no other instance with the current one.
		if err := e.writeTag(ctx, tag); err != nil {
			return err
		}
		progress("cancelling the instance refresh of " + releases[0].Tag)
		if err := e.CancelRefresh(ctx); err != nil && !errors.Is(err, ErrNoRefresh) {
			return err
		}
	}
	return e.ReleaseBackend(ctx, tag, progress)
}

// restartRefresh waits for the end of the instance refresh that is in progress, and starts another one. If the one in progress is the
// release's own, it is cancelled.
func (e *Environment) restartRefresh(ctx context.Context, progress func(string), isOwn func(refresh.Refresh) bool) (string, error) {
	group, err := e.group()
	if err != nil {
		return "", err
	}
	last, err := group.Find(ctx, "")
	if err != nil {
		return "", err
	}
	if last.IsActive() && isOwn(last) {
		if err := e.CancelRefresh(ctx); err != nil && !errors.Is(err, ErrNoRefresh) { // it has ended
			return "", err
		}
	}
	if _, err := group.Wait(ctx, "", func(int) { progress("rolling back: waiting for the end of the instance refresh") }); err != nil {
		return "", err
	}
	return e.StartRefresh(ctx)
}

// StartRefresh starts an instance refresh and returns its ID. A new instance is healthy before an old one is terminated.
func (e *Environment) StartRefresh(ctx context.Context) (string, error) {
	group, err := e.Output("auto_scaling_group_name")
	if err != nil {
		return "", err
	}
	answer, err := e.autoscaling().StartInstanceRefresh(ctx, &autoscaling.StartInstanceRefreshInput{
		AutoScalingGroupName: &group,
		Preferences: &autoscalingtypes.RefreshPreferences{
			MinHealthyPercentage: aws.Int32(100), MaxHealthyPercentage: aws.Int32(150), InstanceWarmup: aws.Int32(int32(e.Backend.WarmupSeconds)),
		},
	})
	if err != nil {
		return "", fmt.Errorf("start an instance refresh: %w", awserror.Plain(err))
	}
	return aws.ToString(answer.InstanceRefreshId), nil
}

// ErrNoRefresh is the error of CancelRefresh if none is in progress.
var ErrNoRefresh = errors.New("no instance refresh is in progress")

// CancelRefresh cancels the instance refresh that is in progress. The instances that it has replaced stay. It does not wait for
// instances that are starting, which takes minutes: a rollback has three.
func (e *Environment) CancelRefresh(ctx context.Context) error {
	group, err := e.Output("auto_scaling_group_name")
	if err != nil {
		return err
	}
	_, err = e.autoscaling().CancelInstanceRefresh(ctx, &autoscaling.CancelInstanceRefreshInput{
		AutoScalingGroupName: &group, WaitForTransitioningInstances: aws.Bool(false),
	})
	var none *autoscalingtypes.ActiveInstanceRefreshNotFoundFault
	if errors.As(err, &none) {
		return ErrNoRefresh
	} else if err != nil {
		return fmt.Errorf("cancel the instance refresh: %w", awserror.Plain(err))
	}
	return nil
}

// WaitForLastRefresh waits for the end of the newest instance refresh, and returns it; empty if there is none.
func (e *Environment) WaitForLastRefresh(ctx context.Context, progress func(string)) (refresh.Refresh, error) {
	group, err := e.group()
	if err != nil {
		return refresh.Refresh{}, err
	}
	return group.Wait(ctx, "", func(percentage int) {
		progress(fmt.Sprintf("waiting for an earlier instance refresh, %d %% of the instances replaced", percentage))
	})
}
