package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/starttech/infrastructure/local"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run starts the local AWS that the tests share.
func run(m *testing.M) int {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "starttech-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	running, err = local.Start(context.Background(), local.Options{Root: root, Dir: dir, Account: "123456789012", Region: "eu-west-1"})
	if err != nil {
		panic(err)
	}
	defer running.Stop()
	return m.Run()
}

// wire is the connection of a function to the local AWS. It breaks, as when the function is killed, and it changes the states of instance
// refreshes, which the local AWS completes at once.
type wire struct {
	mu        sync.Mutex
	calls     []string // operations
	left      int      // requests until the function is killed; negative: never
	refresh   string   // status of every refresh; empty: as it is
	conflicts int      // of the next requests to start a refresh
}

var errKilled = errors.New("killed")

func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	operation := operationOf(request)
	if w.left == 0 {
		return nil, errKilled
	}
	w.left--
	if w.left == 0 {
		return nil, errKilled
	}
	w.calls = append(w.calls, operation)
	if operation == "StartInstanceRefresh" && w.conflicts > 0 {
		w.conflicts--
		return answer(request, 400, `<ErrorResponse><Error><Code>InstanceRefreshInProgress</Code><Message>another</Message></Error></ErrorResponse>`), nil
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	if operation == "DescribeInstanceRefreshes" && w.refresh != "" {
		return answer(request, 200, strings.ReplaceAll(string(content), "<Status>Successful<", "<Status>"+w.refresh+"<")), nil
	}
	return response, nil
}

// operationOf is the operation of a request: in a header, or in a form.
func operationOf(request *http.Request) string {
	if target := request.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndex(target, ".")+1:]
	}
	content, _ := io.ReadAll(request.Body)
	request.Body = io.NopCloser(bytes.NewReader(content))
	form, _ := url.ParseQuery(string(content))
	return form.Get("Action")
}

func answer(request *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(body)), Request: request,
	}
}

// world is a local AWS with an Auto Scaling group, and the two secrets and the user of Redis of a test.
type world struct {
	t        *testing.T
	aws      *local.AWS
	function *function // on a wire that never breaks
	jwt      secret
	redis    secret
}

var (
	running *local.AWS
	worlds  atomic.Int32
)

// newWorld creates the secrets and the user of a test. The tests share the local AWS.
func newWorld(t *testing.T) *world {
	t.Helper()
	name := fmt.Sprintf("starttech-test%d", worlds.Add(1))
	w := &world{t: t, aws: running}
	f := w.on(&wire{left: -1}, settings{})
	_, err := f.instances.CreateLaunchConfiguration(t.Context(), &autoscaling.CreateLaunchConfigurationInput{LaunchConfigurationName: &name, ImageId: aws.String("ami-1"), InstanceType: aws.String("t3.micro")})
	check(t, err)
	_, err = f.instances.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &name, LaunchConfigurationName: &name, MinSize: aws.Int32(1), MaxSize: aws.Int32(2), AvailabilityZones: []string{"eu-west-1a"},
	})
	check(t, err)
	_, err = f.cache.CreateUser(t.Context(), &elasticache.CreateUserInput{
		UserId: &name, UserName: aws.String("default"), Engine: aws.String("redis"), AccessString: aws.String("off -@all"), NoPasswordRequired: aws.Bool(true),
	})
	check(t, err)
	create := func(variable, user string) secret {
		created, err := f.manager.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("/" + name + "/" + variable)})
		check(t, err)
		return secret{arn: *created.ARN, variable: variable, redisUser: user}
	}
	w.jwt, w.redis = create("JWT_SECRET_KEY", ""), create("REDIS_PASSWORD", name)
	w.function = w.on(&wire{left: -1}, settings{secrets: []secret{w.jwt, w.redis}, group: name, warmup: 1})
	return w
}

// on is a new process of the function, on a wire.
func (w *world) on(wire *wire, s settings) *function {
	return newFunction(aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(w.aws.Endpoint()), HTTPClient: &http.Client{Transport: wire},
		Credentials: credentials.NewStaticCredentialsProvider(w.aws.AccessKeyID, w.aws.SecretAccessKey, ""), RetryMaxAttempts: 1,
	}, s)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin begins a rotation, as Secrets Manager does it: with an empty version. The function does not exist, so nothing else happens.
func (w *world) begin(s secret, token string) {
	w.t.Helper()
	_, err := w.function.manager.RotateSecret(w.t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: &s.arn, ClientRequestToken: &token, RotationLambdaARN: aws.String("arn:aws:lambda:eu-west-1:123456789012:function:none"),
	})
	check(w.t, err)
}

var steps = []string{"createSecret", "setSecret", "testSecret", "finishSecret", "followRefresh"}

// perform performs steps of a rotation until one fails.
func (w *world) perform(f *function, s secret, token string, steps ...string) error {
	for _, step := range steps {
		if err := f.handle(w.t.Context(), event{Step: step, SecretId: s.arn, ClientRequestToken: token}); err != nil {
			return err
		}
	}
	return nil
}

// rotate is a whole rotation without a failure.
func (w *world) rotate(s secret, token string) {
	w.t.Helper()
	w.begin(s, token)
	check(w.t, w.perform(w.function, s, token, steps...))
}

func (w *world) wantLabels(s secret, want versions) {
	w.t.Helper()
	got, err := w.function.versions(w.t.Context(), s)
	check(w.t, err)
	for _, labels := range got {
		slices.Sort(labels)
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		w.t.Errorf("the labels of %s are %v, want %v", s.variable, got, want)
	}
}

func (w *world) value(s secret, version string) string {
	w.t.Helper()
	value, err := w.function.value(w.t.Context(), s, version)
	check(w.t, err)
	return value
}

func (w *world) wantUser(access, kind string, passwords int32) {
	w.t.Helper()
	user, err := w.function.activeUser(w.t.Context(), w.redis.redisUser)
	check(w.t, err)
	if *user.AccessString != access || string(user.Authentication.Type) != kind || *user.Authentication.PasswordCount != passwords {
		w.t.Errorf("the user is %s, %s, %d passwords; want %s, %s, %d", *user.AccessString, user.Authentication.Type, *user.Authentication.PasswordCount, access, kind, passwords)
	}
}

func (w *world) refreshes() int {
	w.t.Helper()
	described, err := w.function.instances.DescribeInstanceRefreshes(w.t.Context(), &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: &w.function.group})
	check(w.t, err)
	return len(described.InstanceRefreshes)
}

// token is the id of a version: 32 to 64 characters.
func token(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }
