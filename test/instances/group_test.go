package instances

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const image = "ami-0c2023a1b2c3d4e5f" // Amazon Linux 2023

// group is an Auto Scaling group behind a load balancer. Versions 1 and 2 of its launch template are healthy. The server of version 3
// fails its health check, and the user data of version 4 exits with status 1. Version 5 answers 65 seconds later.
type group struct {
	*emulator
	t                         *testing.T
	name                      string
	host                      string // of the load balancer
	targetGroup, loadBalancer string // ARNs
}

func newGroup(t *testing.T, e *emulator, name string, least, most int) *group {
	t.Helper()
	return newGroupOnPort(t, e, 8080, name, least, most)
}

// newGroupOnPort creates a group whose instances publish a port.
func newGroupOnPort(t *testing.T, e *emulator, port int, name string, least, most int) *group {
	t.Helper()
	g := &group{emulator: e, t: t, name: name}
	created := e.call(t, "elasticloadbalancing CreateTargetGroup", "Name="+name, "Protocol=HTTP", fmt.Sprintf("Port=%d", port),
		"VpcId=vpc-00000001", "HealthCheckPath=/health", "HealthCheckIntervalSeconds=30", "HealthCheckTimeoutSeconds=5", "HealthyThresholdCount=2",
		"UnhealthyThresholdCount=2", "Matcher.HttpCode=200")
	g.targetGroup = created.text("CreateTargetGroupResult/TargetGroups/member/TargetGroupArn")
	g.setDeregistrationDelay("100")
	created = e.call(t, "elasticloadbalancing CreateLoadBalancer", "Name="+name, "Type=application", "Scheme=internet-facing",
		"Subnets.member.1=subnet-00000001", "Subnets.member.2=subnet-00000002")
	balancer := created.all("CreateLoadBalancerResult/LoadBalancers/member")[0]
	g.loadBalancer, g.host = balancer.text("LoadBalancerArn"), balancer.text("DNSName")
	e.call(t, "elasticloadbalancing CreateListener", "LoadBalancerArn="+g.loadBalancer, "Protocol=HTTP", "Port=80",
		"DefaultActions.member.1.Type=forward", "DefaultActions.member.1.TargetGroupArn="+g.targetGroup)

	g.createTemplate("healthy", "healthy", "failing", "exiting", "slow")
	e.call(t, "autoscaling CreateAutoScalingGroup", "AutoScalingGroupName="+name, "LaunchTemplate.LaunchTemplateName="+name,
		"LaunchTemplate.Version=1", fmt.Sprintf("MinSize=%d", least), fmt.Sprintf("MaxSize=%d", most),
		"VPCZoneIdentifier=subnet-00000001,subnet-00000002", "TargetGroupARNs.member.1="+g.targetGroup,
		"HealthCheckType=ELB", "HealthCheckGracePeriod=2000", "DefaultInstanceWarmup=100")
	return g
}

func (g *group) setDeregistrationDelay(seconds string) {
	g.t.Helper()
	g.call("elasticloadbalancing ModifyTargetGroupAttributes", "TargetGroupArn="+g.targetGroup,
		"Attributes.member.1.Key=deregistration_delay.timeout_seconds", "Attributes.member.1.Value="+seconds)
}

// createTemplate creates a launch template with a version for each behaviour.
func (g *group) createTemplate(behaviours ...string) {
	g.t.Helper()
	for i, behaviour := range behaviours {
		action := "CreateLaunchTemplateVersion"
		if i == 0 {
			action = "CreateLaunchTemplate"
		}
		g.call("ec2 "+action, "LaunchTemplateName="+g.name, "LaunchTemplateData.ImageId="+image,
			"LaunchTemplateData.InstanceType=t3.micro", "LaunchTemplateData.UserData="+userData(g.t, behaviour))
	}
}

func userData(t *testing.T, behaviour string) string {
	t.Helper()
	script, err := os.ReadFile("testdata/user-data.sh")
	check(t, err)
	return base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(string(script), "BEHAVIOUR", behaviour)))
}

func (g *group) call(call string, parameters ...string) element {
	g.t.Helper()
	return g.emulator.call(g.t, call, parameters...)
}

// expectRefusal sends a call that must be refused with an error code or message.
func (g *group) expectRefusal(want, call string, parameters ...string) {
	g.t.Helper()
	if _, refusal := g.try(g.t, call, parameters...); !strings.Contains(refusal, want) {
		g.t.Errorf("%s is refused with %q, want %q", call, refusal, want)
	}
}

func (g *group) describe() element {
	g.t.Helper()
	response := g.call("autoscaling DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1="+g.name)
	return response.all("DescribeAutoScalingGroupsResult/AutoScalingGroups/member")[0]
}

// instances returns the IDs of the instances in service, and the versions of their launch template.
func (g *group) instances() (ids, versions []string) {
	g.t.Helper()
	for _, member := range g.describe().all("Instances/member") {
		if member.text("LifecycleState") == "InService" {
			ids = append(ids, member.text("InstanceId"))
			versions = append(versions, member.text("LaunchTemplate/Version"))
		}
	}
	return ids, versions
}

// health returns the states of the targets with their reasons, by instance ID.
func (g *group) health() map[string]string {
	g.t.Helper()
	states := map[string]string{}
	response := g.call("elasticloadbalancing DescribeTargetHealth", "TargetGroupArn="+g.targetGroup)
	for _, target := range response.all("DescribeTargetHealthResult/TargetHealthDescriptions/member") {
		states[target.text("Target/Id")] = strings.TrimSpace(target.text("TargetHealth/State") + " " + target.text("TargetHealth/Reason"))
	}
	return states
}

// waitHealthy waits until a number of targets are healthy and there are no others. It returns the instance IDs.
func (g *group) waitHealthy(count int) []string {
	g.t.Helper()
	waitFor(g.t, fmt.Sprintf("%d healthy targets of %s", count, g.name), func() (bool, any) {
		states, healthy := g.health(), 0
		for _, state := range states {
			if state == "healthy" {
				healthy++
			}
		}
		return healthy == count && len(states) == count, states
	})
	ids, _ := g.instances()
	return ids
}

// pid returns the process ID of the program that serves requests.
func (g *group) pid() int {
	g.t.Helper()
	var served struct{ PID int }
	_, body, err := g.get(g.host, "/")
	check(g.t, err)
	check(g.t, json.Unmarshal([]byte(body), &served))
	return served.PID
}

// hasActivity reports whether a scaling activity has a text in its cause or status message.
func (g *group) hasActivity(text string) bool {
	g.t.Helper()
	response := g.call("autoscaling DescribeScalingActivities", "AutoScalingGroupName="+g.name)
	return slices.ContainsFunc(response.all("DescribeScalingActivitiesResult/Activities/member"), func(activity element) bool {
		return strings.Contains(activity.text("Cause")+activity.text("StatusMessage"), text)
	})
}

func (g *group) startRefresh(version string) {
	g.t.Helper()
	g.call("autoscaling UpdateAutoScalingGroup", "AutoScalingGroupName="+g.name,
		"LaunchTemplate.LaunchTemplateName="+g.name, "LaunchTemplate.Version="+version)
	g.call("autoscaling StartInstanceRefresh", "AutoScalingGroupName="+g.name, "Preferences.MinHealthyPercentage=100",
		"Preferences.MaxHealthyPercentage=200", "Preferences.InstanceWarmup=100", "Preferences.SkipMatching=true")
}

func (g *group) refresh() element {
	g.t.Helper()
	response := g.call("autoscaling DescribeInstanceRefreshes", "AutoScalingGroupName="+g.name)
	return response.all("DescribeInstanceRefreshesResult/InstanceRefreshes/member")[0]
}

func (g *group) waitForRefresh(status string) element {
	g.t.Helper()
	waitFor(g.t, "instance refresh "+status, func() (bool, any) {
		refresh := g.refresh()
		return refresh.text("Status") == status, refresh.text("Status") + ": " + refresh.text("StatusReason")
	})
	return g.refresh()
}

// load sends 20 requests per second until stop is called, which returns how many requests were sent. Every response must have
// status 200.
func (g *group) load() (stop func() int64) {
	var wait sync.WaitGroup
	var sent atomic.Int64
	done := make(chan struct{})
	request := func(path string) {
		defer wait.Done()
		if status, body, err := g.get(g.host, path); err != nil || status != 200 {
			g.t.Errorf("under load, GET %s: %d %s %v", path, status, body, err)
		}
	}
	wait.Add(1)
	go func() {
		defer wait.Done()
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			path := "/"
			if sent.Add(1)%10 == 0 {
				path = "/slow" // takes longer than the deregistration delay
			}
			wait.Add(1)
			go request(path)
		}
	}()
	time.Sleep(time.Second) // until there are slow requests in flight
	stop = sync.OnceValue(func() int64 {
		close(done)
		wait.Wait()
		return sent.Load()
	})
	g.t.Cleanup(func() { stop() })
	return stop
}

// root returns the root directory of an instance.
func (e *emulator) root(id string) string { return filepath.Join(e.directory, id, "root") }
