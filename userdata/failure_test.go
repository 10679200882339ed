package userdata_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// All calls fail in one boot. Each step has its own tries and waits.
func TestBootRetriesFailedNetworkCalls(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		for _, call := range []string{
			strings.Fields(m.version.installer)[0] + "-install", "aws-ssm-get-parameter", "aws-ssm-get-parameters-by-path",
			"aws-ecr-get-login-password", "docker-login", "docker-pull",
		} {
			m.failCalls(call, 2)
		}

		m.mustBoot()

		calls := m.calls("sleep", m.version.installer, "aws", "docker login", "docker pull")
		for i, call := range calls {
			fields := strings.Fields(call)
			calls[i] = strings.Join(fields[:min(3, len(fields))], " ")
		}

		install := strings.Join(strings.Fields(m.version.installer)[:3], " ")
		equalLines(t, "calls", calls, []string{
			install, "sleep 2", install, "sleep 4", install,
			"aws ssm get-parameter", "sleep 2", "aws ssm get-parameter", "sleep 4", "aws ssm get-parameter",
			"aws ssm get-parameters-by-path", "sleep 2", "aws ssm get-parameters-by-path", "sleep 4", "aws ssm get-parameters-by-path",
			// The login is one step with two calls.
			"aws ecr get-login-password", "sleep 2", "aws ecr get-login-password", "sleep 4",
			"aws ecr get-login-password", "docker login --username", "sleep 8",
			"aws ecr get-login-password", "docker login --username", "sleep 16",
			"aws ecr get-login-password", "docker login --username",
			"docker pull " + image, "sleep 2", "docker pull " + image, "sleep 4", "docker pull " + image,
		})
		equalLines(t, "containers", m.calls("docker run"), []string{"docker " + dockerRun})
		equal(t, "backend.env", m.read("root/etc/starttech/backend.env"), environment)
	})
}

func TestBootFailureNamesStepAndReasonInLogs(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		call, step string
		tries      int
	}{
		{"INSTALLER-install", "install Docker", 6},
		{"systemctl-enable-docker", "start Docker", 1},
		{"systemctl-start-docker", "start Docker", 1},
		{"aws-ssm-get-parameter", "read /starttech/production/release", 6},
		{"aws-ssm-get-parameters-by-path", "read the parameters under " + path, 6},
		{"aws-ecr-get-login-password", "pull " + image, 6},
		{"docker-login", "pull " + image, 6},
		{"docker-pull", "pull " + image, 6},
		{"docker-inspect", "pull " + image, 1},
		{"systemctl-restart-starttech-backend", "start the backend", 1},
	} {
		t.Run(test.call, func(t *testing.T) {
			t.Parallel()

			forEachVersion(t, func(t *testing.T, m *machine) {
				call := strings.Replace(test.call, "INSTALLER", strings.Fields(m.version.installer)[0], 1)
				m.failCalls(call, always)
				m.checkBootFailure(test.step, reason)

				waits := []string{"sleep 2", "sleep 4", "sleep 8", "sleep 16", "sleep 32"}
				equalLines(t, "waits", m.calls("sleep"), waits[:test.tries-1])
				equalLines(t, "containers", m.calls("docker run"), nil)
			})
		})
	}
}

// checkBootFailure runs the script and checks that it fails. The last line of the output and the event in the log group
// must name the step and the reason.
func (m *machine) checkBootFailure(step, reason string) {
	m.t.Helper()

	output, status := m.boot()
	if status == 0 {
		m.t.Errorf("exit status 0:\n%s", output)
	}

	lines := strings.Split(strings.TrimSuffix(output, "\n"), "\n")
	_, last, _ := strings.Cut(lines[len(lines)-1], " ")
	equal(m.t, "last line", last, "boot failed: cannot "+step+": "+reason)

	stream := " --log-group-name /starttech/production/backend --log-stream-name i-0123456789abcdef0/boot"
	calls := m.calls("aws logs")

	if len(calls) != 2 || calls[0] != "aws logs create-log-stream"+stream+awsOptions ||
		!strings.HasPrefix(calls[1], "aws logs put-log-events"+stream+" --log-events ") {
		m.t.Fatalf("calls to CloudWatch:\n%s", strings.Join(calls, "\n"))
	}

	_, rest, _ := strings.Cut(m.read("state/aws.arguments"), "--log-events\n")
	argument, _, _ := strings.Cut(rest, "\n")

	var events []struct {
		Timestamp int64
		Message   string
	}
	if err := json.Unmarshal([]byte(argument), &events); err != nil || len(events) != 1 {
		m.t.Fatalf("events %s: %v", argument, err)
	}

	equal(m.t, "event", events[0].Message, last)

	if age := time.Since(time.UnixMilli(events[0].Timestamp)); age < 0 || age > time.Minute {
		m.t.Errorf("the event is %s old", age)
	}
}

func TestBootFailureIsPrintedWithoutCloudWatch(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.failCalls("docker-pull", always)
		m.failCalls("aws-logs-create-log-stream", always)
		m.failCalls("aws-logs-put-log-events", always)
		m.checkBootFailure("pull "+image, reason)
	})
}

func TestInvalidInputIsRejectedByName(t *testing.T) {
	t.Parallel()

	const (
		reading = "read the parameters under " + path
		pulling = "pull " + image
		name    = "[A-Za-z_][A-Za-z0-9_]*"
	)

	for _, test := range []struct {
		name, file, content string
		step, reason        string
	}{
		{
			"a parameter whose name has a dash", "state/parameters", parameters("mongo-uri", secret),
			reading, "the last component of " + path + "/mongo-uri is not a variable name (" + name + "); rename it",
		},
		{
			"a parameter whose name starts with a digit", "state/parameters", parameters("A", "b", "2ND", secret),
			reading, "the last component of " + path + "/2ND is not a variable name (" + name + "); rename it",
		},
		{
			"a value with a newline", "state/parameters", parameters("A", "b", "KEY", secret+"\n"+secret),
			reading, "the value of " + path + "/KEY contains a newline or a carriage return",
		},
		{
			"a value that ends in two newlines", "state/parameters", parameters("KEY", secret+"\n\n"),
			reading, "the value of " + path + "/KEY contains a newline or a carriage return",
		},
		{
			"a value of a file with CRLF", "state/parameters", parameters("KEY", secret+"\r\n"),
			reading, "the value of " + path + "/KEY contains a newline or a carriage return",
		},
		{
			"a value with a carriage return", "state/parameters", parameters("KEY", secret+"\r"+secret),
			reading, "the value of " + path + "/KEY contains a newline or a carriage return",
		},
		{
			"a value that looks like another parameter", "state/parameters", parameters("KEY", "x\t.\n"+path+"/OTHER\t"+secret+"\t."),
			reading, "the value of " + path + "/KEY contains a newline or a carriage return",
		},
		{
			"two parameters for one variable", "state/parameters", parameters("KEY", "x", "a/KEY", secret),
			reading, path + "/KEY and " + path + "/a/KEY both set the variable KEY; delete one of them",
		},
		{
			"a port other than the load balancer's", "state/parameters", parameters("PORT", "3000"),
			reading, path + "/PORT must be 8080, where the load balancer connects",
		},
		{
			"a release that is not a tag", "state/release", "latest stable\n",
			"read /starttech/production/release", "'latest stable' is not an image tag; set the parameter to a tag or to none",
		},
		{
			"a working directory with a space", "state/image", "nobody /a b\n",
			pulling, "the image's WORKDIR is '/a b'; allowed: A-Z a-z 0-9 _ . / -",
		},
		{
			"an unsupported operating system", "root/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n",
			"identify the instance", "unsupported operating system debian 12; use an Amazon Linux 2 or 2023 AMI",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			forEachVersion(t, func(t *testing.T, m *machine) {
				m.write(test.file, test.content)
				m.checkBootFailure(test.step, test.reason)
				equalLines(t, "containers", m.calls("docker run"), nil)
			})
		})
	}
}

func TestMissingInstanceIDIsReported(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.must(os.Remove(m.file("root/var/lib/cloud/data/instance-id")))

		output, status := m.boot()
		if status == 0 {
			t.Error("exit status 0")
		}

		contains(t, "output", output, "boot failed: cannot identify the instance: ")
		contains(t, "output", output, "instance-id: No such file or directory")
		equalLines(t, "calls of create-log-stream", m.calls("aws logs create-log-stream"),
			[]string{"aws logs create-log-stream --log-group-name /starttech/production/backend --log-stream-name unknown/boot" + awsOptions})
	})
}
