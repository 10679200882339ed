// Package release releases an application to an environment of the local AWS, with the steps of docs/runbook.md: it pushes the
// backend's image, writes its tag, replaces the instances, and uploads the frontend.
package release

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/starttech/infrastructure/internal/refresh"
)

// Environment is the names of an environment that a release uses. They are outputs of its stack.
type Environment struct {
	AWS          string // path of the AWS CLI
	Repository   string // URL of the ECR repository
	Parameter    string // SSM parameter with the image tag
	Group        refresh.Group
	Warmup       int    // InstanceWarmup in seconds
	Bucket       string // of the frontend
	Distribution string // ID of the CloudFront distribution
}

// rollbackTimeout limits a rollback, which waits until the cancelled instance refresh has ended.
const rollbackTimeout = 3 * time.Minute

// Released returns the image tag of the instances that start, "none" before the first release.
func (e Environment) Released(ctx context.Context) (string, error) {
	return e.aws(ctx, "ssm", "get-parameter", "--name", e.Parameter, "--query", "Parameter.Value", "--output", "text")
}

// IsReleased reports whether the instances run an image tag: it is written, and the last instance refresh is successful. If one is
// in progress, IsReleased waits for its end. progress gets the percentage.
func (e Environment) IsReleased(ctx context.Context, tag string, progress func(string)) (bool, error) {
	released, err := e.Released(ctx)
	if err != nil || released != tag {
		return false, err
	}
	last, err := e.waitForLastRefresh(ctx, progress)
	return last.Status == types.InstanceRefreshStatusSuccessful, err
}

// RolledBackError is the error of a release after its rollback.
type RolledBackError struct {
	Err    error  // the reason
	Result string // of the rollback
}

func (e *RolledBackError) Error() string { return e.Err.Error() + "; " + e.Result }
func (e *RolledBackError) Unwrap() error { return e.Err }

// Backend writes the tag of a pushed image, and replaces the instances. It first waits for an instance refresh that is in progress,
// for example after a change of the configuration. If the release fails or ctx is cancelled, Backend rolls back, and returns a
// *RolledBackError. If the tag was the earlier one already, there is no rollback. progress gets the percentage.
func (e Environment) Backend(ctx context.Context, tag string, progress func(string)) error {
	if _, err := e.waitForLastRefresh(ctx, progress); err != nil {
		return err
	}
	earlier, err := e.Released(ctx)
	if err != nil {
		return err
	}
	id, err := e.replaceInstances(ctx, tag, progress)
	if err == nil || earlier == tag {
		return err
	}
	return &RolledBackError{err, e.rollBack(ctx, earlier, id, progress)}
}

// replaceInstances writes a tag, starts an instance refresh, and waits for its end. The ID is empty if none has started.
func (e Environment) replaceInstances(ctx context.Context, tag string, progress func(string)) (id string, err error) {
	if err := e.writeTag(ctx, tag); err != nil {
		return "", err
	}
	if id, err = e.startRefresh(ctx); err != nil {
		return "", err
	}
	ended, err := e.Group.Wait(ctx, id, func(percentage int) { progress(fmt.Sprintf("%d %% of the instances replaced", percentage)) })
	return id, cmp.Or(err, ended.Err())
}

// rollBack releases the earlier tag as docs/runbook.md does, and returns the result. It does not wait for the instances. id is the
// release's instance refresh.
func (e Environment) rollBack(ctx context.Context, earlier, id string, progress func(string)) (result string) {
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if err := e.writeTag(ctx, earlier); err != nil {
		return fmt.Sprintf("the rollback to %s failed: %v", earlier, err)
	}
	replacement, err := e.restartRefresh(ctx, id, interrupted, progress)
	if err != nil {
		return fmt.Sprintf("%s is released again, but replaces no instance: %v", earlier, err)
	}
	return fmt.Sprintf("%s is released again, and instance refresh %s replaces the instances", earlier, replacement)
}

// restartRefresh cancels the instance refresh with an ID if it is in progress, and starts another one. An interrupted release may
// have started one without its ID, so the one in progress is the release's.
func (e Environment) restartRefresh(ctx context.Context, id string, interrupted bool, progress func(string)) (string, error) {
	last, err := e.Group.Find(ctx, "")
	if err != nil {
		return "", err
	}
	isOwn := last.ID == id || id == "" && interrupted
	if isOwn && last.IsActive() {
		_, err := e.aws(ctx, "autoscaling", "cancel-instance-refresh", "--auto-scaling-group-name", e.Group.Name)
		if err != nil && !strings.Contains(err.Error(), "ActiveInstanceRefreshNotFound") { // it has ended
			return "", err
		}
	}
	if _, err := e.Group.Wait(ctx, "", func(int) { progress("rolling back: waiting for the end of the instance refresh") }); err != nil {
		return "", err
	}
	return e.startRefresh(ctx)
}

func (e Environment) writeTag(ctx context.Context, tag string) error {
	_, err := e.aws(ctx, "ssm", "put-parameter", "--overwrite", "--name", e.Parameter, "--value", tag)
	return err
}

// startRefresh starts an instance refresh and returns its ID.
func (e Environment) startRefresh(ctx context.Context) (string, error) {
	return e.aws(ctx, "autoscaling", "start-instance-refresh", "--auto-scaling-group-name", e.Group.Name,
		"--preferences", fmt.Sprintf(`{"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150, "InstanceWarmup": %d}`, e.Warmup),
		"--query", "InstanceRefreshId", "--output", "text")
}

func (e Environment) waitForLastRefresh(ctx context.Context, progress func(string)) (refresh.Refresh, error) {
	return e.Group.Wait(ctx, "", func(percentage int) {
		progress(fmt.Sprintf("waiting for an earlier instance refresh, %d %% of the instances replaced", percentage))
	})
}

// Frontend uploads the files of a built frontend. index.html is last, so no page refers to a file that is not there.
func (e Environment) Frontend(ctx context.Context, dir string) error {
	bucket := "s3://" + e.Bucket
	for _, arguments := range [][]string{
		{"s3", "sync", dir + "/assets", bucket + "/assets", "--cache-control", "public, max-age=31536000, immutable"},
		{
			"s3", "sync", dir, bucket, "--delete", "--exclude", "assets/*", "--exclude", "index.html",
			"--cache-control", "public, max-age=60",
		},
		{"s3", "cp", dir + "/index.html", bucket + "/index.html", "--cache-control", "no-cache"},
		{"cloudfront", "create-invalidation", "--distribution-id", e.Distribution, "--paths", "/", "/index.html"},
	} {
		if _, err := e.aws(ctx, arguments...); err != nil {
			return err
		}
	}
	return nil
}

// SetParameter writes a secret parameter of the backend, unless it exists. It reports whether it has created the parameter.
func (e Environment) SetParameter(ctx context.Context, name, value string) (created bool, err error) {
	// Other users can read the arguments of a process, but not its standard input.
	_, err = e.awsWithInput(ctx, value, "ssm", "put-parameter", "--type", "SecureString", "--name", name, "--value", "file:///dev/stdin")
	if err != nil && strings.Contains(err.Error(), "ParameterAlreadyExists") {
		return false, nil
	}
	return err == nil, err
}

// DeleteParameter deletes a parameter that SetParameter has created. It is no error if the parameter does not exist.
func (e Environment) DeleteParameter(ctx context.Context, name string) error {
	_, err := e.aws(ctx, "ssm", "delete-parameter", "--name", name)
	if err != nil && strings.Contains(err.Error(), "ParameterNotFound") {
		return nil
	}
	return err
}

// aws runs the AWS CLI and returns its output. An error has its last line.
func (e Environment) aws(ctx context.Context, arguments ...string) (string, error) {
	return e.awsWithInput(ctx, "", arguments...)
}

func (e Environment) awsWithInput(ctx context.Context, input string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, e.AWS, arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := command.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return "", fmt.Errorf("aws %s %s: %s (%w)", arguments[0], arguments[1], lines[len(lines)-1], err)
	}
	return strings.TrimSpace(stdout.String()), nil
}
