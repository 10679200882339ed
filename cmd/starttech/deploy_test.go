package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/starttech/infrastructure/internal/refresh"
)

// refreshSince is a group whose instance refresh began at a time. It replaces 25 % of the instances in a minute.
type refreshSince time.Time

func (s refreshSince) DescribeInstanceRefreshes(
	context.Context, *autoscaling.DescribeInstanceRefreshesInput, ...func(*autoscaling.Options),
) (*autoscaling.DescribeInstanceRefreshesOutput, error) {
	status, percentage := types.InstanceRefreshStatusInProgress, 25*int(time.Since(time.Time(s)).Minutes())
	if percentage >= 100 {
		status = types.InstanceRefreshStatusSuccessful
	}
	return &autoscaling.DescribeInstanceRefreshesOutput{InstanceRefreshes: []types.InstanceRefresh{{
		InstanceRefreshId: aws.String("1234"), Status: status, PercentageComplete: aws.Int32(int32(percentage)),
	}}}, nil
}

func TestInPipelineARefreshIsALineAMinute(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "output")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	synctest.Test(t, func(t *testing.T) {
		group := refresh.Group{Name: "backend", Client: refreshSince(time.Now().Add(-31 * time.Second))}
		if err := waitForRefresh(t.Context(), steps{out: out, streams: true}, group); err != nil {
			t.Error(err)
		}
	})
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(` {2,}`).ReplaceAllString(strings.TrimSpace(string(content)), " ")
	if want := `Replace the instances ...
Replace the instances ... 60 s 25 % replaced
Replace the instances ... 120 s 50 % replaced
Replace the instances ... 180 s 75 % replaced
Replace the instances ... 210.0 s`; got != want {
		t.Errorf("the output is\n%s\nwant\n%s", got, want)
	}
}
