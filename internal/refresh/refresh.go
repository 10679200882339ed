// Package refresh follows the instance refreshes of an Auto Scaling group, which replace its instances step by step.
package refresh

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/smithy-go/logging"

	"github.com/starttech/infrastructure/internal/awserror"
)

// pollInterval is the time between two looks at an instance refresh. An instance takes minutes.
const pollInterval = 2 * time.Second

// Group is an Auto Scaling group.
type Group struct {
	Name   string
	Client autoscaling.DescribeInstanceRefreshesAPIClient
}

// NewGroup returns a group in a region, with the caller's credentials.
func NewGroup(ctx context.Context, region, name string) (Group, error) {
	settings, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region), awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return Group{}, fmt.Errorf("no AWS credentials: %w", err)
	}
	return Group{Name: name, Client: autoscaling.NewFromConfig(settings)}, nil
}

// Refresh is an instance refresh: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
type Refresh struct {
	ID         string                      `json:"id"` // empty if there is none
	Status     types.InstanceRefreshStatus `json:"status"`
	Reason     string                      `json:"reason"`     // of the status, in AWS's words
	Percentage int                         `json:"percentage"` // of the instances that are replaced
	Started    time.Time                   `json:"started"`
}

// IsActive reports whether the refresh has not ended.
func (r Refresh) IsActive() bool {
	return slices.Contains([]types.InstanceRefreshStatus{
		types.InstanceRefreshStatusPending, types.InstanceRefreshStatusInProgress, types.InstanceRefreshStatusCancelling,
		types.InstanceRefreshStatusBaking, types.InstanceRefreshStatusRollbackInProgress,
	}, r.Status)
}

// Err returns an error with AWS's reason unless the refresh is successful.
func (r Refresh) Err() error {
	if r.Status == types.InstanceRefreshStatusSuccessful {
		return nil
	}
	return fmt.Errorf("the instance refresh %s is %s: %s", r.ID, r.Status, cmp.Or(r.Reason, "AWS gives no reason"))
}

// Find returns the instance refresh with an ID, or the newest one if the ID is empty. If there is none, which is also the case after
// six weeks, the result is empty.
func (g Group) Find(ctx context.Context, id string) (Refresh, error) {
	input := &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: &g.Name}
	if id != "" {
		input.InstanceRefreshIds = []string{id}
	} else {
		// The newest is first: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeInstanceRefreshes.html
		input.MaxRecords = aws.Int32(1)
	}
	output, err := g.Client.DescribeInstanceRefreshes(ctx, input)
	if err != nil {
		return Refresh{}, fmt.Errorf("read the instance refreshes of %s: %w", g.Name, awserror.Plain(err))
	}
	if len(output.InstanceRefreshes) == 0 {
		return Refresh{}, nil
	}
	found := output.InstanceRefreshes[0]
	return Refresh{
		ID:         aws.ToString(found.InstanceRefreshId),
		Status:     found.Status,
		Reason:     aws.ToString(found.StatusReason),
		Percentage: int(aws.ToInt32(found.PercentageComplete)),
		Started:    aws.ToTime(found.StartTime),
	}, nil
}

// startTimeout is how long Wait and WaitForNewer wait for a new refresh. AWS does not document that an instance refresh is listed as soon as it is started.
const startTimeout = time.Minute

// WaitForNewer returns the newest instance refresh as soon as its ID is not earlier. After a minute it returns the one with the ID earlier,
// or an empty one if that is empty.
func (g Group) WaitForNewer(ctx context.Context, earlier string) (Refresh, error) {
	deadline := time.Now().Add(startTimeout)
	for {
		found, err := g.Find(ctx, "")
		if err != nil || found.ID != earlier || time.Now().After(deadline) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return found, ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

// Wait waits for the end of the instance refresh with an ID, or of the newest one if the ID is empty, and returns it. If AWS does not list
// the ID after a minute, it is an error. If ctx is cancelled, the refresh continues. progress gets the percentage.
func (g Group) Wait(ctx context.Context, id string, progress func(percentage int)) (Refresh, error) {
	deadline := time.Now().Add(startTimeout)
	for {
		found, err := g.Find(ctx, id)
		isMissing := id != "" && found.ID == ""
		switch {
		case err != nil, !isMissing && !found.IsActive():
			return found, err
		case isMissing && time.Now().After(deadline):
			return found, fmt.Errorf("AWS does not list the instance refresh %s of %s", id, g.Name)
		}
		progress(found.Percentage)
		select {
		case <-ctx.Done():
			return found, ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}
