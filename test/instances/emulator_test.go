// Package instances tests the EC2 instances of the local AWS, which boot, and their Auto Scaling groups and load balancers.
package instances

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

const (
	region = "eu-west-1"
	// timeFactor divides AWS's waiting times. The failing instance refresh waits for an hour, which is 36 s.
	timeFactor = 100
)

// emulator is a local AWS whose instances boot.
type emulator struct {
	*local.AWS
	directory   string // of the instances
	credentials aws.Credentials
}

func start(t *testing.T) *emulator {
	t.Helper()
	return startFaster(t, timeFactor)
}

// startFaster starts a local AWS with another time factor.
func startFaster(t *testing.T, timeFactor float64) *emulator {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "instances")
	aws, err := local.Start(t.Context(), local.Options{
		Root: harness.Root, Dir: t.TempDir(), Account: "123456789012", Region: region,
		Instances: directory, InstanceProgram: harness.Must2(t, instanceProgram), RedisProgram: harness.Must2(t, redisProgram),
		TimeFactor: timeFactor,
	})
	check(t, err)
	t.Cleanup(func() { check(t, aws.Stop()) })
	e := &emulator{AWS: aws, directory: directory}
	e.credentials.AccessKeyID, e.credentials.SecretAccessKey = aws.AccessKeyID, aws.SecretAccessKey
	return e
}

var (
	instanceProgram = sync.OnceValues(func() (string, error) { return harness.Build("instance", "./local/instance") })
	redisProgram    = sync.OnceValues(func() (string, error) { return harness.Build("redis", "./local/redis") })
)

func TestMain(m *testing.M) { harness.Main(m) }

// element is an XML element of a response.
type element struct {
	XMLName  xml.Name
	Content  string    `xml:",chardata"`
	Children []element `xml:",any"`
}

// all returns the elements at a path of names.
func (e element) all(path string) (found []element) {
	name, rest, isNested := strings.Cut(path, "/")
	for _, child := range e.Children {
		if child.XMLName.Local != name {
			continue
		}
		if isNested {
			found = append(found, child.all(rest)...)
		} else {
			found = append(found, child)
		}
	}
	return found
}

// text returns the content of the first element at a path, or "" if there is none.
func (e element) text(path string) string {
	for _, found := range e.all(path) {
		return found.Content
	}
	return ""
}

// versions are the API versions of the services with the AWS query protocol.
var versions = map[string]string{
	"autoscaling": "2011-01-01", "ec2": "2016-11-15", "elasticache": "2015-02-02", "elasticloadbalancing": "2015-12-01",
	"iam": "2010-05-08", "monitoring": "2010-08-01", "sns": "2010-03-31", "sts": "2011-06-15",
}

// try sends a call, "SERVICE ACTION", with parameters, as NAME=VALUE. It returns the response, and the error code and message of a
// call that is refused.
func (e *emulator) try(t *testing.T, call string, parameters ...string) (response element, refusal string) {
	t.Helper()
	service, action, _ := strings.Cut(call, " ")
	form := url.Values{"Action": {action}, "Version": {versions[service]}}
	for _, parameter := range parameters {
		name, value, _ := strings.Cut(parameter, "=")
		form.Set(name, value)
	}
	status, content := e.send(t, service, http.MethodPost, "/", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form.Encode())
	if err := xml.NewDecoder(bytes.NewReader(content)).Decode(&response); err != nil {
		t.Fatalf("%s: %v\n%s", call, err, content)
	}
	if status != http.StatusOK {
		for _, path := range []string{"Error", "Errors/Error"} { // EC2 has the second form
			for _, found := range response.all(path) {
				return response, found.text("Code") + ": " + found.text("Message")
			}
		}
		t.Fatalf("%s: status %d\n%s", call, status, content)
	}
	return response, ""
}

// send sends a signed request, and returns the response.
func (e *emulator) send(t *testing.T, service, method, path string, headers map[string]string, body string) (status int, content []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, e.Endpoint()+path, strings.NewReader(body))
	check(t, err)
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
	request.Header.Set("X-Amz-Content-Sha256", digest) // for S3
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	check(t, v4.NewSigner().SignHTTP(t.Context(), e.credentials, request, digest, service, region, time.Now()))
	answer, err := http.DefaultClient.Do(request)
	check(t, err)
	defer answer.Body.Close()
	content, err = io.ReadAll(answer.Body)
	check(t, err)
	return answer.StatusCode, content
}

// call sends a call that must succeed.
func (e *emulator) call(t *testing.T, call string, parameters ...string) element {
	t.Helper()
	response, refusal := e.try(t, call, parameters...)
	if refusal != "" {
		t.Fatalf("%s: %s", call, refusal)
	}
	return response
}

// get requests a path of a load balancer, and returns the status and the body of the response.
func (e *emulator) get(host, path string) (status int, body string, err error) {
	request, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(e.SitePort)+path, nil)
	if err != nil {
		return 0, "", err
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// waitFor waits until a condition holds, for three minutes at most. The condition returns what it has seen.
func waitFor(t *testing.T, what string, condition func() (holds bool, seen any)) {
	t.Helper()
	var holds bool
	var seen any
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if holds, seen = condition(); holds {
			return
		}
	}
	t.Fatalf("wait for %s: got %v", what, seen)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// instanceConfig is the part of an instance's configuration that the tests read.
type instanceConfig struct {
	Metadata string
	Address  string
	Publish  map[int]int
}

func readConfig(t *testing.T, e *emulator, id string) (config instanceConfig) {
	t.Helper()
	file := filepath.Join(e.directory, id, "instance.json")
	waitFor(t, file, func() (bool, any) {
		content, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(content, &config)
		}
		return err == nil, err
	})
	return config
}

func unauthenticated(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url)
	check(t, err)
	response.Body.Close()
	return response.StatusCode
}
