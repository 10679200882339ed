package system

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/starttech/infrastructure/internal/refresh"
)

// connect creates the clients that read the state of the system while a test waits. An AWS CLI command takes more than half a second of
// the processor, which the instances then lack.
func (s *system) connect() {
	config := aws.Config{
		Region: s.emulator.Region, BaseEndpoint: aws.String(s.emulator.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(s.emulator.AccessKeyID, s.emulator.SecretAccessKey, ""),
	}
	s.autoScaling = autoscaling.NewFromConfig(config)
	s.loadBalancing = elasticloadbalancingv2.NewFromConfig(config)
}

// instances returns the IDs of the group's instances in service, oldest first.
func (s *system) instances(t *testing.T) (ids []string) {
	t.Helper()
	groups, err := s.autoScaling.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{})
	check(t, err)
	if len(groups.AutoScalingGroups) != 1 {
		t.Fatalf("there are %d Auto Scaling groups, want 1", len(groups.AutoScalingGroups))
	}
	for _, instance := range groups.AutoScalingGroups[0].Instances {
		if instance.LifecycleState == "InService" {
			ids = append(ids, *instance.InstanceId)
		}
	}
	return ids
}

// refreshStatus returns the status of an instance refresh.
func (s *system) refreshStatus(t *testing.T, id string) string {
	t.Helper()
	found, err := refresh.Group{Name: s.outputs["auto_scaling_group_name"], Client: s.autoScaling}.Find(t.Context(), id)
	check(t, err)
	if found.ID != id {
		t.Fatalf("there is no instance refresh %s", id)
	}
	return string(found.Status)
}

// healthy returns the IDs of the targets that the load balancer finds healthy.
func (s *system) healthy(t *testing.T) (ids []string) {
	t.Helper()
	for _, target := range s.targets(t) {
		if target.TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy {
			ids = append(ids, *target.Target.Id)
		}
	}
	return ids
}

// hasTargetWith reports whether the load balancer finds a target not healthy for a reason.
func (s *system) hasTargetWith(t *testing.T, reason elbtypes.TargetHealthReasonEnum) bool {
	t.Helper()
	return slices.ContainsFunc(s.targets(t), func(target elbtypes.TargetHealthDescription) bool { return target.TargetHealth.Reason == reason })
}

func (s *system) targets(t *testing.T) []elbtypes.TargetHealthDescription {
	t.Helper()
	groups, err := s.loadBalancing.DescribeTargetGroups(t.Context(), &elasticloadbalancingv2.DescribeTargetGroupsInput{})
	check(t, err)
	if len(groups.TargetGroups) != 1 {
		t.Fatalf("there are %d target groups, want 1", len(groups.TargetGroups))
	}
	health, err := s.loadBalancing.DescribeTargetHealth(t.Context(), &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: groups.TargetGroups[0].TargetGroupArn})
	check(t, err)
	return health.TargetHealthDescriptions
}
