package instances

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/starttech/infrastructure/internal/refresh"
)

// follower returns the group as a deploy follows it.
func (g *group) follower() refresh.Group {
	return refresh.Group{Name: g.name, Client: autoscaling.New(autoscaling.Options{
		Region: region, BaseEndpoint: aws.String(g.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(g.credentials.AccessKeyID, g.credentials.SecretAccessKey, ""),
	})}
}

// follow waits for the end of the newest instance refresh, which must have a status.
func (g *group) follow(status types.InstanceRefreshStatus) refresh.Refresh {
	g.t.Helper()
	ended, err := g.follower().Wait(g.t.Context(), "", func(int) {})
	check(g.t, err)
	if ended.Status != status {
		g.t.Errorf("the refresh is %+v, want %s", ended, status)
	}
	return ended
}

func testFollowedRefresh(t *testing.T, e *emulator) {
	g := newGroup(t, e, "followed", 2, 4)
	g.waitHealthy(2)
	if none, err := g.follower().Find(t.Context(), ""); err != nil || none != (refresh.Refresh{}) {
		t.Errorf("before the first refresh: %+v, %v", none, err)
	}
	g.startRefresh("2")
	ctx, interrupt := context.WithCancel(t.Context())
	_, err := g.follower().Wait(ctx, "", func(int) { interrupt() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the interrupted watch returns %v", err)
	}
	var percentages []int
	ended, err := g.follower().Wait(t.Context(), "", func(percentage int) { percentages = append(percentages, percentage) })
	if err := errors.Join(err, ended.Err()); err != nil {
		t.Error(err)
	}
	if len(percentages) < 2 || !slices.IsSorted(percentages) || percentages[0] != 0 {
		t.Errorf("the percentages are %v", percentages)
	}
	if _, versions := g.instances(); !slices.Equal(versions, []string{"2", "2"}) {
		t.Errorf("the instances have the versions %v", versions)
	}
}

// The boot script of the new instance exits, so nothing answers the load balancer. The old instance serves.
func testExitingRefresh(t *testing.T, e *emulator) {
	g := newGroup(t, e, "exiting", 1, 2)
	before := g.waitHealthy(1)
	stop := g.load()
	g.startRefresh("4")
	ended := g.follow(types.InstanceRefreshStatusFailed)
	stop()
	if err := ended.Err(); err == nil || !strings.Contains(err.Error(), " is Failed: ") || !strings.Contains(err.Error(), "unhealthy with Elastic Load Balancing") {
		t.Errorf("the error of the refresh is %v", err)
	}
	if after := g.waitHealthy(1); !slices.Equal(after, before) {
		t.Errorf("the instances are %v, want %v", after, before)
	}
}

// testUpdateDuringRefresh takes the way back from a bad launch template while the refresh to it is in progress.
func testUpdateDuringRefresh(t *testing.T, e *emulator) {
	g := newGroup(t, e, "way-back", 1, 2)
	g.waitHealthy(1)
	g.startRefresh("4")
	waitFor(t, "the new instance", func() (bool, any) { return len(g.health()) == 2, g.health() })
	g.call("autoscaling UpdateAutoScalingGroup", "AutoScalingGroupName="+g.name,
		"LaunchTemplate.LaunchTemplateName="+g.name, "LaunchTemplate.Version=2")
	g.call("autoscaling CancelInstanceRefresh", "AutoScalingGroupName="+g.name)
	g.follow(types.InstanceRefreshStatusCancelled)
	g.startRefresh("2")
	g.follow(types.InstanceRefreshStatusSuccessful)
	if _, versions := g.instances(); !slices.Equal(versions, []string{"2"}) {
		t.Errorf("the instances have the versions %v", versions)
	}
}

func testDesiredConfiguration(t *testing.T, e *emulator) {
	g := newGroup(t, e, "desired", 1, 2)
	g.waitHealthy(1)
	g.call("autoscaling StartInstanceRefresh", "AutoScalingGroupName="+g.name, "Preferences.MinHealthyPercentage=100",
		"Preferences.MaxHealthyPercentage=200", "DesiredConfiguration.LaunchTemplate.LaunchTemplateName="+g.name,
		"DesiredConfiguration.LaunchTemplate.Version=4")
	g.expectRefusal("ValidationError: An active instance refresh with a desired configuration exists. All configuration options derived from "+
		"the desired configuration are not available for update while the instance refresh is active.",
		"autoscaling UpdateAutoScalingGroup", "AutoScalingGroupName="+g.name, "LaunchTemplate.LaunchTemplateName="+g.name, "LaunchTemplate.Version=2")
	g.call("autoscaling UpdateAutoScalingGroup", "AutoScalingGroupName="+g.name, "MaxSize=3")
	g.call("autoscaling CancelInstanceRefresh", "AutoScalingGroupName="+g.name)
	g.follow(types.InstanceRefreshStatusCancelled)
	g.call("autoscaling UpdateAutoScalingGroup", "AutoScalingGroupName="+g.name,
		"LaunchTemplate.LaunchTemplateName="+g.name, "LaunchTemplate.Version=2")
}
