package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// followRefreshes follows the refresh of every secret.
func (f *function) followRefreshes(ctx context.Context) error {
	var failures []error
	for _, s := range f.secrets {
		if err := f.followRefresh(ctx, s); err != nil {
			failures = append(failures, fmt.Errorf("followRefresh of %s: %w", s.variable, err))
		}
	}
	return errors.Join(failures...)
}

// followRefresh starts the instance refresh that a secret needs, or looks whether it has ended. If it has failed, the previous version is
// current again, and another refresh brings it to the instances. The error says so, and makes the alarm ring.
//
// Another refresh that is in progress is never cancelled. The function waits for its end, and then starts its own: nobody knows which
// version the instances of the other one have read.
func (f *function) followRefresh(ctx context.Context, s secret) error {
	v, err := f.versions(ctx, s)
	if err != nil {
		return err
	}
	used := v.holder(current)
	if v.has(used, pending) {
		// Otherwise the version, if it is reverted, would block the next rotation, or a repeated step would use it again.
		if err := f.remove(ctx, s, v, pending); err != nil {
			return err
		}
	}
	version, id := v.followedRefresh()
	switch {
	case id != "" && version != used: // it is reverted, or somebody has chosen another version
		if err := f.remove(ctx, s, v, followed+id); err != nil {
			return err
		}
	case id != "":
		return f.followStarted(ctx, s, v, id)
	}
	switch {
	case v.has(used, wanted):
		return f.start(ctx, s, v, wanted)
	case v.has(used, reverted):
		return f.start(ctx, s, v, reverted)
	}
	return nil
}

// start starts the refresh that a label of the current version asks for, unless another one is in progress.
func (f *function) start(ctx context.Context, s secret, v versions, label string) error {
	started, err := f.instances.StartInstanceRefresh(ctx, &autoscaling.StartInstanceRefreshInput{
		AutoScalingGroupName: &f.group,
		// As a release (docs/runbook.md): a new instance is healthy before an old one ends.
		Preferences: &types.RefreshPreferences{
			MinHealthyPercentage: aws.Int32(100), MaxHealthyPercentage: aws.Int32(150), InstanceWarmup: &f.warmup,
		},
	})
	var inProgress *types.InstanceRefreshInProgressFault
	if errors.As(err, &inProgress) {
		fmt.Println("another instance refresh is in progress; the refresh of", s.variable, "waits for its end")
		return nil
	} else if err != nil {
		return err
	}
	if label == wanted {
		if err := f.move(ctx, s, v, followed+aws.ToString(started.InstanceRefreshId), v.holder(current)); err != nil {
			return err
		}
	}
	fmt.Println("started the instance refresh", aws.ToString(started.InstanceRefreshId), "of", s.variable)
	return f.remove(ctx, s, v, label)
}

// followStarted looks at the refresh with an id, of the current version.
func (f *function) followStarted(ctx context.Context, s secret, v versions, id string) error {
	described, err := f.instances.DescribeInstanceRefreshes(ctx, &autoscaling.DescribeInstanceRefreshesInput{
		AutoScalingGroupName: &f.group, InstanceRefreshIds: []string{id},
	})
	if err != nil {
		return err
	}
	// AWS forgets a refresh after six weeks
	// (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeInstanceRefreshes.html).
	refresh := types.InstanceRefresh{Status: types.InstanceRefreshStatusCancelled}
	if len(described.InstanceRefreshes) > 0 {
		refresh = described.InstanceRefreshes[0]
	}
	if refresh.Status == types.InstanceRefreshStatusCancelled { // some instances have the new value
		if err := f.move(ctx, s, v, wanted, v.holder(current)); err != nil {
			return err
		}
		return f.remove(ctx, s, v, followed+id)
	}
	// start was killed before it removed the label.
	if v.has(v.holder(current), wanted) {
		if err := f.remove(ctx, s, v, wanted); err != nil {
			return err
		}
	}
	switch refresh.Status {
	case types.InstanceRefreshStatusSuccessful:
		fmt.Println("the instances have the new", s.variable)
		return f.remove(ctx, s, v, followed+id)
	case types.InstanceRefreshStatusFailed, types.InstanceRefreshStatusRollbackSuccessful, types.InstanceRefreshStatusRollbackFailed:
		return f.revert(ctx, s, v, id, aws.ToString(refresh.StatusReason))
	}
	return nil
}

// revert makes the previous version the current one again, after a refresh that failed for a reason, and starts a refresh for it. Secrets
// Manager moves AWSPREVIOUS to the version that was current
// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html). Redis still accepts the previous password.
func (f *function) revert(ctx context.Context, s secret, v versions, id, reason string) error {
	failure := fmt.Errorf("the instance refresh %s has failed: %s", id, reason)
	before := v.holder(previous)
	if before == "" {
		return fmt.Errorf("%w; there is no version %s", failure, previous)
	}
	if err := f.move(ctx, s, v, reverted, before); err != nil {
		return errors.Join(failure, err)
	}
	if err := f.move(ctx, s, v, current, before); err != nil {
		return errors.Join(failure, err)
	}
	if err := f.followRefresh(ctx, s); err != nil { // removes the label of the failed refresh, and starts another
		return errors.Join(failure, err)
	}
	return fmt.Errorf("%w; the previous version is %s again", failure, current)
}
