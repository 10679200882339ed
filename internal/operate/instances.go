package operate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"github.com/starttech/infrastructure/internal/awserror"
	"github.com/starttech/infrastructure/internal/refresh"
)

// Instances returns the instances of the group.
func (e *Environment) Instances(ctx context.Context) ([]Instance, error) {
	var s Status
	if err := e.readInstances(ctx, &s); err != nil {
		return nil, fmt.Errorf("list the instances: %w", err)
	}
	return s.Instances, nil
}

// isServing reports whether the load balancer sends requests to an instance.
func (i Instance) isServing() bool { return i.Lifecycle == "InService" && i.Health == "healthy" }

// CheckReplaceable returns an error unless an instance is in the group, and another one is healthy.
func (e *Environment) CheckReplaceable(ctx context.Context, id string) error {
	instances, err := e.Instances(ctx)
	if err != nil {
		return err
	}
	var ids []string
	others := 0
	for _, instance := range instances {
		ids = append(ids, instance.ID)
		if instance.ID != id && instance.isServing() {
			others++
		}
	}
	switch {
	case !slices.Contains(ids, id):
		return fmt.Errorf("%q is not an instance of %s; its instances are %v", id, e.Name, ids)
	case others == 0:
		return fmt.Errorf("no instance of %s but %s is healthy: the site would not answer; starttech instances replace --all starts a new one first", e.Name, id)
	}
	return nil
}

// replaceTimeout is longer than an instance takes to be terminated, and another one to boot.
const replaceTimeout = 30 * time.Minute

// ReplaceInstance terminates an instance, and waits until the group has as many healthy instances as it should.
func (e *Environment) ReplaceInstance(ctx context.Context, id string, progress func(string)) error {
	if _, err := e.autoscaling().TerminateInstanceInAutoScalingGroup(ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{
		InstanceId: &id, ShouldDecrementDesiredCapacity: aws.Bool(false),
	}); err != nil {
		return fmt.Errorf("terminate %s: %w", id, awserror.Plain(err))
	}
	deadline := time.Now().Add(replaceTimeout)
	for {
		var s Status
		if err := e.readInstances(ctx, &s); err != nil {
			return err
		}
		healthy := 0
		isGone := true
		for _, instance := range s.Instances {
			if instance.ID == id {
				isGone = false
			} else if instance.isServing() {
				healthy++
			}
		}
		progress(fmt.Sprintf("%d of %d instances healthy", healthy, s.Desired))
		switch {
		case isGone && healthy >= s.Desired:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("after %s, %d of %d instances are healthy; starttech logs boot --env %s shows why", replaceTimeout, healthy, s.Desired, e.Name)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

// FollowRefresh waits for the end of the instance refresh with an ID, or of the newest one if the ID is empty, and returns it; empty if
// there is none.
func (e *Environment) FollowRefresh(ctx context.Context, id string, progress func(string)) (refresh.Refresh, error) {
	group, err := e.group()
	if err != nil {
		return refresh.Refresh{}, err
	}
	return group.Wait(ctx, id, func(percentage int) { progress(fmt.Sprintf("%d %% of the instances replaced", percentage)) })
}
