package operate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"golang.org/x/sync/errgroup"

	"github.com/starttech/infrastructure/internal/awserror"
	"github.com/starttech/infrastructure/internal/refresh"
)

// Status is an environment at a glance. What could not be read is in Unknown, by its part.
type Status struct {
	Environment string            `json:"environment"`
	Instances   []Instance        `json:"instances"`
	Minimum     int               `json:"minSize"`
	Maximum     int               `json:"maxSize"`
	Desired     int               `json:"desiredCapacity"`
	Refresh     *refresh.Refresh  `json:"refresh"` // the newest one
	Releases    []Release         `json:"releases"`
	Frontend    FrontendVersion   `json:"frontend"`
	Alarms      []Alarm           `json:"alarms"` // those that do not have the state OK
	AlarmCount  int               `json:"alarmCount"`
	Redis       []RedisNode       `json:"redis"`
	RedisStatus string            `json:"redisStatus"`
	Certificate []Certificate     `json:"certificates"`
	Deployed    Deployed          `json:"deployed"`
	Unknown     map[string]string `json:"unknown"`
}

// Instance is an instance of the group.
type Instance struct {
	ID        string `json:"id"`
	Zone      string `json:"zone"`
	Lifecycle string `json:"lifecycle"`
	Health    string `json:"health"` // of its target: healthy, unhealthy, initial, draining, unused
	Reason    string `json:"reason"` // of the target's health
	Type      string `json:"type"`
	Template  string `json:"template"` // version of the launch template
}

// Alarm is a CloudWatch alarm.
type Alarm struct {
	Name   string    `json:"name"`
	State  string    `json:"state"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// RedisNode is a node of the replication group.
type RedisNode struct {
	ID   string `json:"id"`
	Role string `json:"role"`
	Zone string `json:"zone"`
}

// Certificate is a certificate of the domain.
type Certificate struct {
	Region  string    `json:"region"`
	Status  string    `json:"status"`
	Expires time.Time `json:"expires"`
}

// Status reads the parts of an environment at the same time. A part that cannot be read does not hide the others.
func (e *Environment) Status(ctx context.Context) Status {
	s := Status{Environment: e.Name, Deployed: e.Deployed, Unknown: map[string]string{}}
	parts := map[string]func(context.Context, *Status) error{
		"instances": e.readInstances, "refresh": e.readRefresh, "releases": e.readReleases, "frontend": e.readFrontend,
		"alarms": e.readAlarms, "Redis": e.readRedis, "certificates": e.readCertificates,
	}
	results := make(chan struct {
		part string
		err  error
	}, len(parts))
	var group errgroup.Group
	for part, read := range parts { // each part has fields of its own
		group.Go(func() error {
			results <- struct {
				part string
				err  error
			}{part, read(ctx, &s)}
			return nil
		})
	}
	_ = group.Wait() // the errors are in results
	close(results)
	for result := range results {
		if result.err != nil {
			s.Unknown[result.part] = result.err.Error()
		}
	}
	return s
}

func (e *Environment) readInstances(ctx context.Context, s *Status) error {
	name, err := e.Output("auto_scaling_group_name")
	if err != nil {
		return err
	}
	groups, err := e.autoscaling().DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
	if err != nil {
		return awserror.Plain(err)
	}
	if len(groups.AutoScalingGroups) == 0 {
		return fmt.Errorf("there is no group %s", name)
	}
	group := groups.AutoScalingGroups[0]
	s.Minimum, s.Maximum, s.Desired = int(aws.ToInt32(group.MinSize)), int(aws.ToInt32(group.MaxSize)), int(aws.ToInt32(group.DesiredCapacity))
	health, reasons := map[string]string{}, map[string]string{}
	client := elasticloadbalancingv2.NewFromConfig(e.settings)
	for _, arn := range group.TargetGroupARNs {
		targets, err := client.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: &arn})
		if err != nil {
			return awserror.Plain(err)
		}
		for _, target := range targets.TargetHealthDescriptions {
			if target.Target == nil || target.TargetHealth == nil {
				continue
			}
			id := aws.ToString(target.Target.Id)
			health[id], reasons[id] = string(target.TargetHealth.State), aws.ToString(target.TargetHealth.Description)
		}
	}
	for _, instance := range group.Instances {
		id := aws.ToString(instance.InstanceId)
		found := Instance{
			ID: id, Zone: aws.ToString(instance.AvailabilityZone), Lifecycle: string(instance.LifecycleState),
			Health: health[id], Reason: reasons[id], Type: aws.ToString(instance.InstanceType),
		}
		if instance.LaunchTemplate != nil {
			found.Template = aws.ToString(instance.LaunchTemplate.Version)
		}
		s.Instances = append(s.Instances, found)
	}
	return nil
}

func (e *Environment) readRefresh(ctx context.Context, s *Status) error {
	group, err := e.group()
	if err != nil {
		return err
	}
	last, err := group.Find(ctx, "")
	if err == nil && last.ID != "" {
		s.Refresh = &last
	}
	return err
}

func (e *Environment) readReleases(ctx context.Context, s *Status) (err error) {
	s.Releases, err = e.Releases(ctx)
	s.Releases = s.Releases[:min(2, len(s.Releases))]
	return err
}

func (e *Environment) readFrontend(ctx context.Context, s *Status) (err error) {
	s.Frontend.Release, s.Frontend.Modified, err = e.FrontendReleased(ctx)
	return err
}

func (e *Environment) readAlarms(ctx context.Context, s *Status) error {
	pages := cloudwatch.NewDescribeAlarmsPaginator(cloudwatch.NewFromConfig(e.settings), &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String(e.NamePrefix() + "-")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return awserror.Plain(err)
		}
		for _, alarm := range page.MetricAlarms {
			s.AlarmCount++
			if alarm.StateValue != cloudwatchtypes.StateValueOk {
				s.Alarms = append(s.Alarms, Alarm{
					strings.TrimPrefix(aws.ToString(alarm.AlarmName), e.NamePrefix()+"-"), string(alarm.StateValue),
					aws.ToTime(alarm.StateUpdatedTimestamp), aws.ToString(alarm.StateReason),
				})
			}
		}
	}
	return nil
}

func (e *Environment) readRedis(ctx context.Context, s *Status) error {
	answer, err := elasticache.NewFromConfig(e.settings).DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String(e.NamePrefix() + "-redis")})
	if err != nil {
		return awserror.Plain(err)
	}
	for _, group := range answer.ReplicationGroups {
		s.RedisStatus = aws.ToString(group.Status)
		for _, shard := range group.NodeGroups {
			for _, member := range shard.NodeGroupMembers {
				s.Redis = append(s.Redis, RedisNode{aws.ToString(member.CacheClusterId), aws.ToString(member.CurrentRole), aws.ToString(member.PreferredAvailabilityZone)})
			}
		}
	}
	return nil
}

// readCertificates reads the certificates of the domain: the load balancer's, and CloudFront's in us-east-1.
func (e *Environment) readCertificates(ctx context.Context, s *Status) error {
	if e.Domain == nil {
		return nil
	}
	for _, region := range e.Regions(true) {
		client := acm.NewFromConfig(e.settings, func(options *acm.Options) { options.Region = region })
		pages := acm.NewListCertificatesPaginator(client, &acm.ListCertificatesInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return awserror.Plain(err)
			}
			for _, certificate := range page.CertificateSummaryList {
				if aws.ToString(certificate.DomainName) == e.Domain.Name {
					s.Certificate = append(s.Certificate, Certificate{region, string(certificate.Status), aws.ToTime(certificate.NotAfter)})
				}
			}
		}
	}
	return nil
}
