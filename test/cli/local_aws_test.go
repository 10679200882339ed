package cli

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// A page in the developer's browser can send a request to any local port. So can another user of the machine.
func TestLocalAWSServesOnlyWhoStartedIt(t *testing.T) {
	t.Parallel()
	emulator, err := local.Start(t.Context(), local.Options{Root: harness.Root, Dir: t.TempDir(), Account: "123456789012", Region: "eu-west-1"})
	check(t, err)
	t.Cleanup(func() { check(t, emulator.Stop()) })
	site := "http://127.0.0.1:" + strconv.Itoa(emulator.SitePort)

	// A call of the AWS API, which a form of a page can send without a preflight request.
	const createUser = "Action=CreateUser&UserName=intruder&Version=2010-05-08"
	administrator := aws.Credentials{AccessKeyID: emulator.AccessKeyID, SecretAccessKey: emulator.SecretAccessKey}
	signed := func(credentials aws.Credentials) func(*http.Request) {
		return func(r *http.Request) {
			body, err := r.GetBody()
			check(t, err)
			content, err := io.ReadAll(body)
			check(t, err)
			check(t, v4.NewSigner().SignHTTP(t.Context(), credentials, r, fmt.Sprintf("%x", sha256.Sum256(content)), "iam", "us-east-1", time.Now()))
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for name, test := range map[string]struct {
		method, url, body string
		change            func(*http.Request)
		status            int
		want              string
	}{
		"no signature":                 {"POST", emulator.Endpoint(), createUser, nil, 403, "MissingAuthenticationToken"},
		"the usual key of emulators":   {"POST", emulator.Endpoint(), createUser, signed(aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}), 403, "InvalidClientTokenId"},
		"the account ID as the key":    {"POST", emulator.Endpoint(), createUser, signed(aws.Credentials{AccessKeyID: "123456789012", SecretAccessKey: "test"}), 403, "InvalidClientTokenId"},
		"a wrong secret":               {"POST", emulator.Endpoint(), createUser, signed(aws.Credentials{AccessKeyID: emulator.AccessKeyID, SecretAccessKey: "wrong"}), 403, "SignatureDoesNotMatch"},
		"a page's request":             {"POST", emulator.Endpoint(), createUser, header("Origin", "https://evil.example"), 403, "the AWS API does not serve web pages"},
		"a request of a file":          {"POST", emulator.Endpoint(), createUser, header("Origin", "null"), 403, "the AWS API does not serve web pages"},
		"a preflight request":          {"OPTIONS", emulator.Endpoint(), "", header("Origin", "https://evil.example"), 403, "the AWS API does not serve web pages"},
		"an image of a page":           {"GET", emulator.Endpoint() + "/?Action=ListUsers", "", header("Sec-Fetch-Site", "cross-site"), 403, "the AWS API does not serve web pages"},
		"a page of the site port":      {"GET", emulator.Endpoint() + "/?Action=ListUsers", "", header("Sec-Fetch-Site", "same-site"), 403, "the AWS API does not serve web pages"},
		"DNS rebinding":                {"GET", emulator.Endpoint() + "/", "", host("evil.example:" + strconv.Itoa(emulator.Port)), 403, "is not this AWS API"},
		"a site's name":                {"GET", emulator.Endpoint() + "/", "", host("d111111abcdef8.cloudfront.net"), 403, "is not this AWS API"},
		"MiniStack's reset":            {"POST", emulator.Endpoint() + "/_ministack/reset", "", nil, 404, "not found"},
		"MiniStack's configuration":    {"POST", emulator.Endpoint() + "/_ministack/config", `{}`, nil, 404, "not found"},
		"MiniStack's load balancers":   {"GET", emulator.Endpoint() + "/_alb/x/", "", nil, 404, "not found"},
		"the recorded calls":           {"GET", emulator.Endpoint() + "/_local/calls", "", nil, 401, "refused"},
		"the image registry":           {"GET", emulator.Endpoint() + "/v2/", "", host("123456789012.dkr.ecr.eu-west-1.amazonaws.com"), 401, "Not Authorized"},
		"the API by the registry name": {"GET", emulator.Endpoint() + "/", "", host("123456789012.dkr.ecr.eu-west-1.amazonaws.com"), 403, "is not this AWS API"},
		"another service":              {"GET", emulator.Endpoint() + "/2015-03-31/functions/", "", nil, 403, ""},
		"the API through the site":     {"POST", site, createUser, signed(administrator), 404, "there is no site"},
		"the reset through the site":   {"POST", site + "/_ministack/reset", "", nil, 404, "there is no site"},
		"an unknown site":              {"GET", site, "", host("d111111abcdef8.cloudfront.localhost"), 404, "there is no site"},
		"the API, named like a bucket": {"GET", site, "", host("bucket.s3.amazonaws.com"), 404, "there is no site"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := send(t, test.method, test.url, test.body, test.change)
			if status != test.status || !strings.Contains(body, test.want) {
				t.Errorf("%d %q, want %d with %q", status, body, test.status, test.want)
			}
		})
	}

	if status, body := send(t, "POST", emulator.Endpoint(), "Action=ListUsers&Version=2010-05-08", signed(administrator)); status != 200 ||
		strings.Count(body, "<UserName>") != 1 || !strings.Contains(body, "<UserName>administrator</UserName>") {
		t.Errorf("the administrator gets %d %q, want itself only", status, body)
	}
}

// If an emulator is killed, another one can use its port, and the system can reuse its process ID.
func TestLocalAWSIsThatOfItsCheckout(t *testing.T) {
	t.Parallel()
	options := local.Options{Root: harness.Root, Account: "123456789012", Region: "eu-west-1"}
	start := func() *local.AWS {
		options.Dir = t.TempDir()
		emulator, err := local.Start(t.Context(), options)
		check(t, err)
		t.Cleanup(func() { check(t, emulator.Stop()) })
		return emulator
	}
	killed, other := start(), start()
	if temporary, _ := filepath.Glob(filepath.Join(options.Dir, "tmp", "ministack-*")); len(temporary) != 1 {
		t.Errorf("the temporary directories of the emulator are %q, want one in %s", temporary, options.Dir)
	}
	check(t, syscall.Kill(killed.PID, syscall.SIGKILL))
	for killed.Alive() {
		time.Sleep(50 * time.Millisecond)
	}

	reusedID, reusedPort := *killed, *other
	reusedID.PID = other.PID
	reusedPort.AccessKeyID, reusedPort.SecretAccessKey = killed.AccessKeyID, killed.SecretAccessKey
	otherCheckout := *other
	otherCheckout.Root = t.TempDir()
	if reusedPort.Alive() {
		t.Error("an emulator with another key counts as alive")
	}
	c := newCheckout(t)
	check(t, os.MkdirAll(filepath.Join(c.dir, ".local", "aws"), 0o755))
	check(t, reusedPort.Save(filepath.Join(c.dir, ".local", "aws")))
	c.mustFail(t, "env", "the local AWS is not running: start it with make up")
	for _, saved := range []local.AWS{reusedID, otherCheckout} {
		check(t, os.MkdirAll(filepath.Join(c.dir, ".local", "aws"), 0o755))
		check(t, saved.Save(filepath.Join(c.dir, ".local", "aws")))
		c.mustRun(t, "down", "The local AWS is removed.")
		if !other.Alive() {
			t.Fatalf("make down has stopped the emulator of another checkout: %+v", saved)
		}
	}
}

func TestDownWaitsForInstances(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		seconds int // that the process runs
		failed  bool
	}{
		"instance that powers off": {seconds: 2},
		"instance that hangs":      {seconds: 60, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			c.write(t, ".local/aws/instances/i-1/root/file", "")
			config := filepath.Join(c.dir, ".local", "aws", "instances", "i-1", "instance.json")
			instance := exec.Command("sh", "-c", fmt.Sprintf("sleep %d; :", test.seconds), "instance", "init", config)
			instance.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			check(t, instance.Start())
			t.Cleanup(func() {
				_ = syscall.Kill(-instance.Process.Pid, syscall.SIGKILL)
				_ = instance.Wait()
			})
			output, failed := c.run(t, "down")
			_, err := os.Stat(config[:len(config)-len("/instance.json")])
			equal(t, "down fails", failed, test.failed)
			equal(t, "directory is left", err == nil, test.failed)
			if test.failed {
				has(t, "down", output, "the local AWS still has processes after 15s; end them and run make down again:\n", config)
			}
		})
	}
}

func send(t *testing.T, method, url, body string, change func(*http.Request)) (status int, response string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	check(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	check(t, err)
	return answer.StatusCode, string(content)
}
