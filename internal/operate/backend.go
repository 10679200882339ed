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

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/awserror"
	"github.com/starttech/infrastructure/internal/refresh"
)

// NoRelease is the tag before the first release: the instances run a placeholder.
const NoRelease = "none"

// validTag is the pattern of the release parameter: a Docker tag (https://docs.docker.com/reference/cli/docker/image/tag/).
var validTag = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// Image is an image of the backend in ECR.
type Image struct {
	Tag    string    `json:"tag"`
	Pushed time.Time `json:"pushed"`
	Digest string    `json:"digest"`
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
	return Image{Tag: tag, Pushed: aws.ToTime(detail.ImagePushedAt), Digest: aws.ToString(detail.ImageDigest)}
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
	current, err := e.readRelease(ctx)
	return current.tag, err
}

// releaseVersion is a version of the release parameter.
type releaseVersion struct {
	tag     string
	number  int64
	written time.Time
}

func (e *Environment) readRelease(ctx context.Context) (releaseVersion, error) {
	parameter, err := e.Output("release_parameter")
	if err != nil {
		return releaseVersion{}, err
	}
	answer, err := e.ssm().GetParameter(ctx, &ssm.GetParameterInput{Name: &parameter})
	if err != nil {
		return releaseVersion{}, fmt.Errorf("read the parameter %s: %w", parameter, awserror.Plain(err))
	}
	if answer.Parameter == nil {
		return releaseVersion{}, fmt.Errorf("read the parameter %s: AWS returns no parameter", parameter)
	}
	return releaseVersion{aws.ToString(answer.Parameter.Value), answer.Parameter.Version, aws.ToTime(answer.Parameter.LastModifiedDate)}, nil
}

// describeRelease says what the release parameter has, and who wrote it. A release role may not read the history, which has the name.
func (e *Environment) describeRelease(ctx context.Context, current releaseVersion) string {
	by := ""
	if releases, err := e.Releases(ctx); err == nil && len(releases) > 0 && releases[0].Tag == current.tag && releases[0].By != "" {
		by = " by " + releases[0].By
	}
	return fmt.Sprintf("the release parameter has %s, written%s at %s as version %d", current.tag, by, current.written.UTC().Format(time.RFC3339), current.number)
}

// writeTag writes a tag into the release parameter, and returns the number of its new version.
func (e *Environment) writeTag(ctx context.Context, tag string) (version int64, err error) {
	parameter, err := e.Output("release_parameter")
	if err != nil {
		return 0, err
	}
	answer, err := e.ssm().PutParameter(ctx, &ssm.PutParameterInput{Name: &parameter, Value: &tag, Type: ssmtypes.ParameterTypeString, Overwrite: aws.Bool(true)})
	if err != nil {
		return 0, fmt.Errorf("write the parameter %s: %w", parameter, awserror.Plain(err))
	}
	return answer.Version, nil
}

// rollbackTimeout limits a rollback, which waits until the cancelled instance refresh has ended.
const rollbackTimeout = 3 * time.Minute

// RolledBackError is the error of a release after its rollback, or after it was not rolled back because another one was written.
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
// *RolledBackError. If the tag was the earlier one already, there is no rollback. It fails if another release was written before the
// instances were replaced, and changes nothing of that one. progress gets the percentage.
func (e *Environment) ReleaseBackend(ctx context.Context, tag string, progress func(string)) error {
	if _, err := e.WaitForLastRefresh(ctx, progress); err != nil {
		return err
	}
	earlier, err := e.Released(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	own, err := e.replaceInstances(ctx, tag, progress)
	if err == nil {
		return e.checkNewest(ctx, own)
	}
	if earlier == tag {
		return err
	}
	result := e.rollBack(ctx, earlier, own, progress)
	reports, _ := e.instanceReports(context.WithoutCancel(ctx), begin) // a help only
	return &RolledBackError{err, result, reports}
}

// ownRelease is what a release has done.
type ownRelease struct {
	tag     string
	version int64  // of the release parameter; 0: the write failed or was interrupted
	refresh string // the ID of its instance refresh; empty: none has started
}

// isCurrent reports whether the release parameter still has what the release wrote.
func (r ownRelease) isCurrent(current releaseVersion) bool {
	if r.version == 0 {
		return current.tag == r.tag
	}
	return current.number == r.version
}

// checkNewest returns an error if the release parameter was written after a release, whose instances then can run different images.
// Parameter Store has no conditional write.
func (e *Environment) checkNewest(ctx context.Context, own ownRelease) error {
	current, err := e.readRelease(ctx)
	if err != nil {
		return fmt.Errorf("the instances are replaced, but whether they all run %s is unknown: %w", own.tag, err)
	}
	if own.isCurrent(current) {
		return nil
	}
	return fmt.Errorf("the instances are replaced, but some may not run %s: %s, after this release's version %d; release again when the other release has ended",
		own.tag, e.describeRelease(ctx, current), own.version)
}

// replaceInstances writes a tag, starts an instance refresh, and waits for its end.
func (e *Environment) replaceInstances(ctx context.Context, tag string, progress func(string)) (own ownRelease, err error) {
	own.tag = tag
	if _, err := e.group(); err != nil { // before anything is written
		return own, err
	}
	if own.version, err = e.writeTag(ctx, tag); err != nil {
		return own, err
	}
	if own.refresh, err = e.StartRefresh(ctx); err != nil {
		return own, err
	}
	ended, err := e.FollowRefresh(ctx, own.refresh, progress)
	return own, cmp.Or(err, ended.Err())
}

// rollBack writes the earlier tag, unless somebody else has written one, and returns the result. It does not wait for the instances.
func (e *Environment) rollBack(ctx context.Context, earlier string, own ownRelease, progress func(string)) (result string) {
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	current, err := e.readRelease(ctx)
	if err != nil {
		return fmt.Sprintf("the rollback to %s failed: %v", earlier, err)
	}
	if own.version == 0 && current.tag == earlier {
		return earlier + " is released still"
	}
	if !own.isCurrent(current) {
		return "it was not rolled back: " + e.describeRelease(ctx, current)
	}
	if _, err := e.writeTag(ctx, earlier); err != nil {
		return fmt.Sprintf("the rollback to %s failed: %v", earlier, err)
	}
	// An interrupted release may have started an instance refresh without its ID, so the one in progress is the release's.
	replacement, err := e.restartRefresh(ctx, progress, func(last refresh.Refresh) bool {
		return last.ID == own.refresh || own.refresh == "" && interrupted
	})
	if err != nil {
		return fmt.Sprintf("%s is released again, but replaces no instance: %v", earlier, err)
	}
	return fmt.Sprintf("%s is released again, and instance refresh %s replaces the instances", earlier, replacement)
}

// KilledRelease is a release that could not roll itself back.
type KilledRelease struct {
	Tag           string // that it writes
	Before        string // the tag before it
	VersionBefore int64  // of the release parameter, when it had the tag before
}

// PutBack completes the rollback of a release that was killed, and returns the result. It writes the tag before the release, cancels the
// release's instance refresh, and starts another one, for which it does not wait. It repeats nothing that the release has done itself. If
// the release had not begun, it changes nothing; if somebody else has written a tag since, it is an error.
func (e *Environment) PutBack(ctx context.Context, killed KilledRelease, progress func(string)) (result string, err error) {
	group, err := e.group()
	if err != nil {
		return "", err
	}
	current, err := e.readRelease(ctx)
	if err != nil {
		return "", err
	}
	earlier := killed.Before
	switch {
	case current.tag == earlier && (current.number == killed.VersionBefore || earlier == killed.Tag):
		return earlier + " is released already", nil
	case current.tag != earlier && current.tag != killed.Tag:
		return "", fmt.Errorf("%s is not rolled back: %s", killed.Tag, e.describeRelease(ctx, current))
	}
	last, err := group.Find(ctx, "")
	if err != nil {
		return "", err
	}
	// SSM and Auto Scaling have clocks of their own, and a pending refresh need not have a start time.
	follows := last.Started.IsZero() || last.Started.Sub(current.written) > -time.Second
	isCancelled := slices.Contains([]autoscalingtypes.InstanceRefreshStatus{
		autoscalingtypes.InstanceRefreshStatusCancelling, autoscalingtypes.InstanceRefreshStatusCancelled,
	}, last.Status)
	if current.tag == earlier && (last.ID == "" || follows && !isCancelled) {
		return earlier + " is released already", nil
	}
	if current.tag != earlier {
		if _, err := e.writeTag(ctx, earlier); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, rollbackTimeout)
	defer cancel()
	replacement, err := e.restartRefresh(ctx, progress, func(found refresh.Refresh) bool {
		return current.tag != earlier && follows && found.ID == last.ID
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
	// A pending refresh need not have a start time.
	if last.IsActive() && (last.Started.IsZero() || delay > -time.Second && delay < startDelay) {
		// First the tag, so that the group starts no other instance with the current one.
		if _, err := e.writeTag(ctx, tag); err != nil {
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
			MinHealthyPercentage: aws.Int32(config.MinHealthyPercentage), MaxHealthyPercentage: aws.Int32(config.MaxHealthyPercentage), InstanceWarmup: aws.Int32(int32(e.Backend.WarmupSeconds)),
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
