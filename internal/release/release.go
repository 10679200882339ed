// Package release releases an application to an environment of the local AWS, with the steps of docs/runbook.md: it pushes the
// backend's image, writes its tag, replaces the instances, and uploads the frontend.
package release

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Environment is the names of an environment that a release uses. They are outputs of its stack.
type Environment struct {
	AWS          string // path of the AWS CLI
	Repository   string // URL of the ECR repository
	Parameter    string // SSM parameter with the image tag
	Group        string // Auto Scaling group
	Warmup       int    // InstanceWarmup in seconds
	Bucket       string // of the frontend
	Distribution string // ID of the CloudFront distribution
}

// pollInterval is the time between two looks at an instance refresh.
const pollInterval = time.Second

// Released returns the image tag that the instances run, "none" before the first release.
func (e Environment) Released(ctx context.Context) (string, error) {
	return e.aws(ctx, "ssm", "get-parameter", "--name", e.Parameter, "--query", "Parameter.Value", "--output", "text")
}

// Backend writes the tag of a pushed image, and replaces the instances. If the instance refresh does not succeed, it writes the
// earlier tag again, and returns an error with the reason. progress gets the percentage.
func (e Environment) Backend(ctx context.Context, tag string, progress func(string)) error {
	earlier, err := e.Released(ctx)
	if err != nil {
		return err
	}
	if err := e.writeTag(ctx, tag); err != nil {
		return err
	}
	if err := e.refresh(ctx, progress); err != nil {
		return errors.Join(err, e.writeTag(context.WithoutCancel(ctx), earlier))
	}
	return nil
}

func (e Environment) writeTag(ctx context.Context, tag string) error {
	_, err := e.aws(ctx, "ssm", "put-parameter", "--overwrite", "--name", e.Parameter, "--value", tag)
	return err
}

// refresh starts an instance refresh and waits for its end.
func (e Environment) refresh(ctx context.Context, progress func(string)) error {
	id, err := e.aws(ctx, "autoscaling", "start-instance-refresh", "--auto-scaling-group-name", e.Group,
		"--preferences", fmt.Sprintf(`{"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150, "InstanceWarmup": %d}`, e.Warmup),
		"--query", "InstanceRefreshId", "--output", "text")
	if err != nil {
		return err
	}
	for {
		answer, err := e.aws(ctx, "autoscaling", "describe-instance-refreshes", "--auto-scaling-group-name", e.Group,
			"--instance-refresh-ids", id, "--query", "InstanceRefreshes[0]", "--output", "json")
		if err != nil {
			return err
		}
		var refresh struct {
			Status, StatusReason string
			PercentageComplete   int
		}
		if err := json.Unmarshal([]byte(answer), &refresh); err != nil {
			return fmt.Errorf("describe-instance-refreshes: %w", err)
		}
		switch refresh.Status {
		case "Successful":
			return nil
		case "Pending", "InProgress", "Cancelling", "Baking":
			progress(fmt.Sprintf("%d %% of the instances replaced", refresh.PercentageComplete))
		default:
			return fmt.Errorf("the instance refresh ended as %s: %s", refresh.Status, refresh.StatusReason)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollInterval):
		}
	}
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

// SetParameter writes a secret parameter of the backend, unless it exists.
func (e Environment) SetParameter(ctx context.Context, name, value string) error {
	_, err := e.aws(ctx, "ssm", "put-parameter", "--type", "SecureString", "--name", name, "--value", value)
	if err != nil && strings.Contains(err.Error(), "ParameterAlreadyExists") {
		return nil
	}
	return err
}

// aws runs the AWS CLI and returns its output. An error has its last line.
func (e Environment) aws(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, e.AWS, arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return "", fmt.Errorf("aws %s %s: %s (%w)", arguments[0], arguments[1], lines[len(lines)-1], err)
	}
	return strings.TrimSpace(stdout.String()), nil
}
