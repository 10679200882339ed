package instances

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestInstances(t *testing.T) {
	t.Parallel()
	e := start(t)
	for name, test := range map[string]func(*testing.T, *emulator){
		"unhealthy instance is replaced":       testReplacement,
		"terminated instance leaves nothing":   testTermination,
		"crashed instance is replaced":         testCrash,
		"refresh replaces instances":           testRefresh,
		"refresh is cancelled":                 testCancelledRefresh,
		"refresh to a failing version fails":   testFailedRefresh,
		"refresh without a template fails":     testRefreshWithoutTemplate,
		"refresh is followed":                  testFollowedRefresh,
		"refresh to an exiting script fails":   testExitingRefresh,
		"refresh in progress allows updates":   testUpdateDuringRefresh,
		"desired configuration blocks updates": testDesiredConfiguration,
		"group follows its sizes":              testSizes,
		"load balancer returns its own errors": testGatewayErrors,
		"new target is initial":                testInitialTarget,
		"port in use is replaced":              testPortInUse,
		"Redis that ends is replaced":          testRedis,
		"instance has its role's permissions":  testRole,
		"T instances are burstable":            testBurstable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// TestStartAndStop starts and stops a local AWS with instances and Redis twenty times. Nothing is left of them.
func TestStartAndStop(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the twenty starts")
	}
	t.Parallel()
	for range 20 {
		e := start(t)
		g := newGroup(t, e, "cycle", 1, 1)
		g.waitHealthy(1)
		host, port := createRedis(t, e)
		running := map[int]string{}
		for _, text := range []string{e.directory, harness.Must2(t, redisProgram) + " " + host} {
			found, err := local.Processes(text)
			check(t, err)
			maps.Copy(running, found)
		}
		if len(running) < 3 {
			t.Fatalf("the processes are %v; want those of the emulator, an instance and Redis", running)
		}
		check(t, e.Stop())
		for pid, line := range running {
			if harness.IsRunning(pid) {
				t.Errorf("Stop leaves the process %d %s", pid, line)
			}
		}
		for _, port := range []string{strconv.Itoa(e.Port), strconv.Itoa(e.SitePort)} {
			if isListening("127.0.0.1", port) {
				t.Errorf("Stop leaves the port %s open", port)
			}
		}
		if isListening(host, port) {
			t.Errorf("Stop leaves the port %s:%s of Redis open", host, port)
		}
		if roots, err := filepath.Glob(filepath.Join(e.directory, "*", "root")); err != nil || len(roots) > 0 {
			t.Errorf("Stop leaves the directories %q, %v", roots, err)
		}
	}
}

func testReplacement(t *testing.T, e *emulator) {
	g := newGroup(t, e, "replacement", 1, 1)
	first := g.waitHealthy(1)
	check(t, syscall.Kill(g.pid(), syscall.SIGKILL))
	waitFor(t, "the replacement", func() (bool, any) {
		ids, _ := g.instances()
		return len(ids) == 1 && ids[0] != first[0] && g.health()[ids[0]] == "healthy", g.health()
	})
	if !g.hasActivity("in response to an ELB system health check failure") {
		t.Error("no scaling activity names the health check")
	}
}

func testCrash(t *testing.T, e *emulator) {
	g := newGroup(t, e, "crash", 1, 1)
	id, pid := g.waitHealthy(1)[0], g.pid()
	session, err := exec.Command("ps", "-o", "sess=", "-p", strconv.Itoa(pid)).Output()
	check(t, err)
	program, err := strconv.Atoi(strings.TrimSpace(string(session)))
	check(t, err)
	check(t, syscall.Kill(program, syscall.SIGKILL))
	waitFor(t, "the end of the process", func() (bool, any) { return !harness.IsRunning(pid), pid })
	waitFor(t, "the replacement", func() (bool, any) {
		ids, _ := g.instances()
		return len(ids) == 1 && ids[0] != id, ids
	})
	if !g.hasActivity("in response to an EC2 instance status checks failure") {
		t.Error("no scaling activity names the status checks")
	}
}

func testTermination(t *testing.T, e *emulator) {
	g := newGroup(t, e, "termination", 1, 1)
	id, pid := g.waitHealthy(1)[0], g.pid()
	output := g.call("ec2 GetConsoleOutput", "InstanceId="+id)
	console, err := base64.StdEncoding.DecodeString(output.text("output"))
	check(t, err)
	if !strings.Contains(string(console), "user data of a healthy instance") {
		t.Errorf("the console output is %q", console)
	}

	change := g.call("ec2 TerminateInstances", "InstanceId.1="+id)
	if state := change.text("instancesSet/item/currentState/name"); state != "shutting-down" {
		t.Errorf("the state becomes %q, want shutting-down", state)
	}
	waitFor(t, "the replacement", func() (bool, any) {
		ids, _ := g.instances()
		return len(ids) == 1 && ids[0] != id && g.health()[ids[0]] == "healthy", ids
	})
	if !g.hasActivity("in response to an EC2 health check indicating it has been terminated or stopped") {
		t.Error("no scaling activity names the termination")
	}
	waitFor(t, "the termination", func() (bool, any) {
		described := g.call("ec2 DescribeInstances", "InstanceId.1="+id)
		state := described.text("reservationSet/item/instancesSet/item/instanceState/name")
		return state == "terminated", state
	})
	g.call("ec2 TerminateInstances", "InstanceId.1="+id) // once more, without effect
	g.expectRefusal("InvalidInstanceID.NotFound", "ec2 TerminateInstances", "InstanceId.1="+id, "InstanceId.2=i-00000000000000000")
	if harness.IsRunning(pid) {
		t.Errorf("process %d of the terminated instance is running", pid)
	}
	if _, err := os.Stat(e.root(id)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the root directory of the terminated instance: %v", err)
	}
	if _, err := os.Stat(filepath.Join(e.root(id), "..", "console.log")); err != nil {
		t.Error(err)
	}
}

func testRefresh(t *testing.T, e *emulator) {
	g := newGroup(t, e, "refresh", 2, 4)
	before := g.waitHealthy(2)
	stop := g.load()
	g.startRefresh("2")
	g.expectRefusal("InstanceRefreshInProgress", "autoscaling StartInstanceRefresh", "AutoScalingGroupName="+g.name)
	if refresh := g.refresh(); refresh.text("InstancesToUpdate") == "" || refresh.text("PercentageComplete") == "100" {
		t.Errorf("the new refresh is %v", refresh)
	}
	refresh := g.waitForRefresh("Successful")
	if sent := stop(); sent < 20 {
		t.Errorf("%d requests were sent", sent)
	}
	if refresh.text("PercentageComplete") != "100" || refresh.text("InstancesToUpdate") != "0" {
		t.Errorf("the successful refresh is %v", refresh)
	}
	after, versions := g.instances()
	if !slices.Equal(versions, []string{"2", "2"}) || slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) }) {
		t.Errorf("the instances are %v of versions %v, were %v", after, versions, before)
	}

	g.startRefresh("2") // skips every instance
	g.waitForRefresh("Successful")
	if unchanged, _ := g.instances(); !slices.Equal(unchanged, after) {
		t.Errorf("skip matching replaced %v with %v", after, unchanged)
	}
}

func testCancelledRefresh(t *testing.T, e *emulator) {
	g := newGroup(t, e, "cancelled", 1, 2)
	before := g.waitHealthy(1)
	g.expectRefusal("ActiveInstanceRefreshNotFound", "autoscaling CancelInstanceRefresh", "AutoScalingGroupName="+g.name)
	g.startRefresh("3")
	waitFor(t, "the new instance", func() (bool, any) { return len(g.health()) == 2, g.health() })
	g.call("autoscaling CancelInstanceRefresh", "AutoScalingGroupName="+g.name)
	g.waitForRefresh("Cancelled")
	if after := g.waitHealthy(1); !slices.Equal(after, before) {
		t.Errorf("the instances are %v, want %v", after, before)
	}
}

func testFailedRefresh(t *testing.T, e *emulator) {
	g := newGroup(t, e, "failed", 1, 2)
	before := g.waitHealthy(1)
	stop := g.load() // the old instance serves it
	g.startRefresh("3")
	waitFor(t, "an unhealthy target", func() (bool, any) {
		for _, state := range g.health() {
			if state == "unhealthy Target.ResponseCodeMismatch" {
				return true, state
			}
		}
		return false, g.health()
	})
	refresh := g.waitForRefresh("Failed")
	stop()
	if reason := refresh.text("StatusReason"); !strings.Contains(reason, "Elastic Load Balancing") {
		t.Errorf("the status reason is %q", reason)
	}
	if after := g.waitHealthy(1); !slices.Equal(after, before) {
		t.Errorf("the instances are %v, want %v", after, before)
	}
}

func testRefreshWithoutTemplate(t *testing.T, e *emulator) {
	g := newGroup(t, e, "no-template", 1, 2)
	g.waitHealthy(1)
	g.call("ec2 DeleteLaunchTemplate", "LaunchTemplateName="+g.name)
	g.call("autoscaling StartInstanceRefresh", "AutoScalingGroupName="+g.name, "Preferences.SkipMatching=true")
	refresh := g.waitForRefresh("Failed")
	if reason := refresh.text("StatusReason"); !strings.Contains(reason, "launch template") {
		t.Errorf("the status reason is %q", reason)
	}
}

func testSizes(t *testing.T, e *emulator) {
	g := newGroup(t, e, "sizes", 1, 4)
	g.waitHealthy(1)
	g.expectRefusal("ValidationError: New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup.",
		"autoscaling SetDesiredCapacity", "AutoScalingGroupName="+g.name, "DesiredCapacity=5")
	g.expectRefusal("ValidationError: New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.",
		"autoscaling SetDesiredCapacity", "AutoScalingGroupName="+g.name, "DesiredCapacity=0")

	g.call("autoscaling UpdateAutoScalingGroup", "AutoScalingGroupName="+g.name, "MinSize=3")
	if desired := g.describe().text("DesiredCapacity"); desired != "3" {
		t.Errorf("after the minimum was raised to 3, the desired capacity is %s", desired)
	}
	g.waitHealthy(3)

	g.setDeregistrationDelay("1000") // 10 s, so that both targets are seen
	stop := g.load()
	g.call("autoscaling UpdateAutoScalingGroup", "AutoScalingGroupName="+g.name, "MinSize=1", "MaxSize=1")
	if desired := g.describe().text("DesiredCapacity"); desired != "1" {
		t.Errorf("after the maximum was lowered to 1, the desired capacity is %s", desired)
	}
	waitFor(t, "draining targets", func() (bool, any) {
		draining := 0
		for _, state := range g.health() {
			if state == "draining Target.DeregistrationInProgress" {
				draining++
			}
		}
		return draining == 2, g.health()
	})
	g.waitHealthy(1)
	waitFor(t, "the terminations", func() (bool, any) {
		members := g.describe().all("Instances/member")
		return len(members) == 1, len(members)
	})
	if sent := stop(); sent < 20 {
		t.Errorf("%d requests were sent", sent)
	}
}

// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
func testGatewayErrors(t *testing.T, e *emulator) {
	g := newGroup(t, e, "errors", 0, 1)
	status := func(path string) int {
		got, _, err := g.get(g.host, path)
		check(t, err)
		return got
	}
	if got := status("/"); got != 503 {
		t.Errorf("without a target: %d, want 503", got)
	}
	g.call("autoscaling SetDesiredCapacity", "AutoScalingGroupName="+g.name, "DesiredCapacity=1")
	g.waitHealthy(1)
	g.call("elasticloadbalancing ModifyLoadBalancerAttributes", "LoadBalancerArn="+g.loadBalancer,
		"Attributes.member.1.Key=idle_timeout.timeout_seconds", "Attributes.member.1.Value=4")
	for path, want := range map[string]int{"/": 200, "/close": 502, "/hang": 504} {
		if got := status(path); got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
}

// testInitialTarget has a target that fails its health checks, and needs ten of them, three seconds apart, to become unhealthy.
func testInitialTarget(t *testing.T, e *emulator) {
	g := newGroup(t, e, "initial", 0, 1)
	g.call("elasticloadbalancing ModifyTargetGroup", "TargetGroupArn="+g.targetGroup, "HealthCheckIntervalSeconds=300",
		"UnhealthyThresholdCount=10")
	g.call("autoscaling UpdateAutoScalingGroup", "AutoScalingGroupName="+g.name, "LaunchTemplate.LaunchTemplateName="+g.name,
		"LaunchTemplate.Version=3", "DesiredCapacity=1")
	waitFor(t, "an initial target", func() (bool, any) {
		for _, state := range g.health() {
			return state == "initial Elb.InitialHealthChecking", state
		}
		return false, nil
	})
	// The only target is not healthy, so the load balancer forwards to it.
	waitFor(t, "a response", func() (bool, any) {
		status, body, err := g.get(g.host, "/")
		check(t, err)
		return status == 200, body
	})
}

// A port is unavailable on every address if a process listens on 0.0.0.0.
func testPortInUse(t *testing.T, e *emulator) {
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	check(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	g := newGroupOnPort(t, e, port, "port-in-use", 1, 1)
	id := g.waitHealthy(1)[0]
	if published := readConfig(t, e, id).Publish[port]; published == 0 || published == port {
		t.Errorf("port %d is published as %d", port, published)
	}
	if pid := g.pid(); !harness.IsRunning(pid) {
		t.Errorf("process %d of the instance is not running", pid)
	}
}

// createRedis creates Redis, and returns its address and port.
func createRedis(t *testing.T, e *emulator) (host, port string) {
	t.Helper()
	created := e.call(t, "elasticache CreateReplicationGroup", "ReplicationGroupId=redis", "ReplicationGroupDescription=redis",
		"Engine=redis", "NumCacheClusters=1")
	const endpoint = "CreateReplicationGroupResult/ReplicationGroup/NodeGroups/NodeGroup/PrimaryEndpoint/"
	return created.text(endpoint + "Address"), created.text(endpoint + "Port")
}

func isListening(host, port string) bool {
	connection, err := net.Dial("tcp", net.JoinHostPort(host, port))
	if err == nil {
		connection.Close()
	}
	return err == nil
}

func testRedis(t *testing.T, e *emulator) {
	host, port := createRedis(t, e)
	process := func() int {
		out, _ := exec.Command("pgrep", "-f", strings.Join([]string{harness.Must2(t, redisProgram), host, port}, " ")).Output()
		pid, _ := strconv.Atoi(strings.TrimSpace(string(out)))
		return pid
	}
	killed := process()
	if killed == 0 || !isListening(host, port) {
		t.Fatalf("process %d of Redis does not listen on %s:%s", killed, host, port)
	}
	check(t, syscall.Kill(killed, syscall.SIGKILL))
	waitFor(t, "another Redis", func() (bool, any) {
		pid := process()
		return pid != 0 && pid != killed && isListening(host, port), pid
	})
	e.call(t, "elasticache DeleteReplicationGroup", "ReplicationGroupId=redis")
	if pid := process(); pid != 0 || isListening(host, port) {
		t.Errorf("process %d of the deleted Redis is running", pid)
	}
}

func testBurstable(t *testing.T, e *emulator) {
	described := e.call(t, "ec2 DescribeInstanceTypes", "InstanceType.1=t3a.micro", "InstanceType.2=m5.large", "InstanceType.3=t3.micro")
	got := map[string]string{}
	for _, item := range described.all("instanceTypeSet/item") {
		got[item.text("instanceType")] = item.text("burstablePerformanceSupported")
	}
	if want := map[string]string{"t3a.micro": "true", "m5.large": "false", "t3.micro": "true"}; !maps.Equal(got, want) {
		t.Errorf("burstable: %v, want %v", got, want)
	}
}

func testRole(t *testing.T, e *emulator) {
	const trust = `{"Version":"2012-10-17",
		"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	const policy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:DescribeInstances","Resource":"*",` +
		`"Condition":{"ArnLike":{"ec2:SourceInstanceARN":"arn:aws:ec2:*:123456789012:instance/i-*"}}}}`
	e.call(t, "iam CreateRole", "RoleName=backend", "AssumeRolePolicyDocument="+trust)
	e.call(t, "iam PutRolePolicy", "RoleName=backend", "PolicyName=policy", "PolicyDocument="+policy)
	e.call(t, "iam CreateInstanceProfile", "InstanceProfileName=backend")
	e.call(t, "iam AddRoleToInstanceProfile", "InstanceProfileName=backend", "RoleName=backend")
	launched := e.call(t, "ec2 RunInstances", "ImageId="+image, "MinCount=1", "MaxCount=1", "InstanceType=t3.micro",
		"IamInstanceProfile.Name=backend", "UserData="+userData(t, "healthy"))
	id := launched.text("instancesSet/item/instanceId")

	config := readConfig(t, e, id)
	client := imds.New(imds.Options{
		Endpoint: e.Endpoint(), ClientEnableState: imds.ClientEnabled,
		HTTPClient: &http.Client{Transport: prefix(strings.TrimPrefix(config.Metadata, e.Endpoint()))},
	})
	got, err := client.GetMetadata(t.Context(), &imds.GetMetadataInput{Path: "instance-id"})
	check(t, err)
	content := make([]byte, 64)
	count, _ := got.Content.Read(content)
	if string(content[:count]) != id {
		t.Errorf("the instance ID in the metadata is %q, want %q", content[:count], id)
	}
	provider := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client })
	credentials, err := provider.Retrieve(context.Background())
	check(t, err)
	if !credentials.CanExpire {
		t.Error("the credentials do not expire")
	}
	role := &emulator{AWS: e.AWS, credentials: credentials}
	identity := role.call(t, "sts GetCallerIdentity").text("GetCallerIdentityResult/Arn")
	if want := "arn:aws:sts::123456789012:assumed-role/backend/" + id; identity != want {
		t.Errorf("the caller is %q, want %q", identity, want)
	}
	role.call(t, "ec2 DescribeInstances")
	if _, refusal := role.try(t, "iam ListRoles"); !strings.HasPrefix(refusal, "AccessDenied") {
		t.Errorf("the role may list roles: %q", refusal)
	}
	if status := unauthenticated(t, config.Metadata+"/latest/meta-data/instance-id"); status != 401 {
		t.Errorf("without a token, the metadata returns %d, want 401", status)
	}
	if status := unauthenticated(t, e.Endpoint()+"/_local/imds/guess/latest/meta-data/"); status != 404 {
		t.Errorf("with a wrong secret, the metadata returns %d, want 404", status)
	}
}

// prefix is a transport that adds a prefix to the paths of requests. The client of the SDK for Go ignores the path of an endpoint;
// the AWS CLI uses it.
type prefix string

func (p prefix) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Path = string(p) + request.URL.Path
	return http.DefaultTransport.RoundTrip(request)
}

// Every process ends, whether the emulator is stopped or killed.
func TestInstancesEndWithEmulator(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(e *emulator) error{
		"stop": func(e *emulator) error { return e.Stop() },
		"kill": func(e *emulator) error { return syscall.Kill(e.PID, syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			g := newGroup(t, e, "end", 1, 1)
			id, pid := g.waitHealthy(1)[0], g.pid()
			check(t, end(e))
			waitFor(t, "the end of the instance", func() (bool, any) {
				_, err := os.Stat(e.root(id))
				return !harness.IsRunning(pid) && errors.Is(err, fs.ErrNotExist), err
			})
		})
	}
}
