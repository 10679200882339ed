package userdata_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// All fail in one boot: each step counts its tries and its waits anew.
func TestTheBootEndsTheSameIfEveryStepOfTheNetworkFailsTwice(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		for _, call := range []string{
			strings.Fields(m.generation.installer)[0] + "-install", "aws-ssm-get-parameter", "aws-ssm-get-parameters-by-path",
			"aws-ecr-get-login-password", "docker-login", "docker-pull",
		} {
			m.fails(call, 2)
		}

		m.boots()

		calls := m.calls("sleep", m.generation.installer, "aws", "docker login", "docker pull")
		for i, call := range calls {
			words := strings.Fields(call)
			calls[i] = strings.Join(words[:min(3, len(words))], " ")
		}

		install := strings.Join(strings.Fields(m.generation.installer)[:3], " ")
		equalLines(t, "calls", calls, []string{
			install, "sleep 2", install, "sleep 4", install,
			"aws ssm get-parameter", "sleep 2", "aws ssm get-parameter", "sleep 4", "aws ssm get-parameter",
			"aws ssm get-parameters-by-path", "sleep 2", "aws ssm get-parameters-by-path", "sleep 4", "aws ssm get-parameters-by-path",
			// Signing in is one step of two calls.
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

func TestABootThatFailsSaysWhichStepAndWhyAlsoInTheLogGroup(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		call, step string
		tries      int
	}{
		{"INSTALLER-install", "install Docker", 6},
		{"systemctl-enable-docker", "start Docker", 1},
		{"systemctl-start-docker", "start Docker", 1},
		{"aws-ssm-get-parameter", "read /starttech/production/release", 6},
		{"aws-ssm-get-parameters-by-path", "read the parameters below " + path, 6},
		{"aws-ecr-get-login-password", "pull " + image, 6},
		{"docker-login", "pull " + image, 6},
		{"docker-pull", "pull " + image, 6},
		{"docker-inspect", "pull " + image, 1},
		{"systemctl-restart-starttech-backend", "start the backend", 1},
	} {
		t.Run(test.call, func(t *testing.T) {
			t.Parallel()

			onEach(t, func(t *testing.T, m *machine) {
				call := strings.Replace(test.call, "INSTALLER", strings.Fields(m.generation.installer)[0], 1)
				m.fails(call, forGood)
				m.failsToBoot(test.step, reason)

				waits := []string{"sleep 2", "sleep 4", "sleep 8", "sleep 16", "sleep 32"}
				equalLines(t, "waits", m.calls("sleep"), waits[:test.tries-1])
				equalLines(t, "containers", m.calls("docker run"), nil)
			})
		})
	}
}

// failsToBoot runs the script, whose last line, and whose event in the log group, has to be the reason.
func (m *machine) failsToBoot(step, reason string) {
	m.t.Helper()

	output, status := m.boot()
	if status == 0 {
		m.t.Errorf("exit status 0:\n%s", output)
	}

	lines := strings.Split(strings.TrimSuffix(output, "\n"), "\n")
	_, last, _ := strings.Cut(lines[len(lines)-1], " ")
	equal(m.t, "last line", last, "boot failed: "+step+": "+reason)

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

func TestABootThatFailsSaysSoEvenIfCloudWatchIsOutOfReach(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.fails("docker-pull", forGood)
		m.fails("aws-logs-create-log-stream", forGood)
		m.fails("aws-logs-put-log-events", forGood)
		m.failsToBoot("pull "+image, reason)
	})
}

func TestWhatTheBackendCannotRunWithIsRefusedByName(t *testing.T) {
	t.Parallel()

	const (
		reading = "read the parameters below " + path
		pulling = "pull " + image
		name    = "[A-Za-z_][A-Za-z0-9_]*"
	)

	for _, test := range []struct {
		name, file, content string
		step, reason        string
	}{
		{
			"a parameter whose name has a dash", "state/parameters", path + "/mongo-uri\t" + secret + "\t.\n",
			reading, "the last part of " + path + "/mongo-uri is no variable's name (" + name + ")",
		},
		{
			"a parameter whose name begins with a digit", "state/parameters", path + "/A\tb\t.\n" + path + "/2ND\t" + secret + "\t.\n",
			reading, "the last part of " + path + "/2ND is no variable's name (" + name + ")",
		},
		{
			"a value with a newline", "state/parameters", path + "/A\tb\t.\n" + path + "/KEY\t" + secret + "\n" + secret + "\t.\n",
			reading, "the value of " + path + "/KEY has a newline",
		},
		{
			"a value that ends in a newline", "state/parameters", path + "/KEY\t" + secret + "\n\t.\n",
			reading, "the value of " + path + "/KEY has a newline",
		},
		{
			"a value that looks like the end of one", "state/parameters", path + "/KEY\tx\t.\n" + secret + "\t.\n",
			reading, "the value of " + path + "/KEY has a newline",
		},
		{
			"two parameters for one variable", "state/parameters", path + "/KEY\tx\t.\n" + path + "/a/KEY\t" + secret + "\t.\n",
			reading, path + "/KEY and " + path + "/a/KEY are both the variable KEY",
		},
		{
			"another port than the load balancer's", "state/parameters", path + "/PORT\t3000\t.\n",
			reading, path + "/PORT is not 8080, where the load balancer connects",
		},
		{
			"a release that is no tag", "state/release", "latest stable\n",
			"read /starttech/production/release", "'latest stable' is not an image's tag",
		},
		{
			"a working directory that systemd would read otherwise", "state/working-directory", "/a b\n",
			pulling, "the image's working directory is '/a b'",
		},
		{
			"another distribution", "root/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n",
			"identify the instance", "this is debian 12, neither Amazon Linux 2 nor 2023",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			onEach(t, func(t *testing.T, m *machine) {
				m.write(test.file, test.content)
				m.failsToBoot(test.step, test.reason)
				equalLines(t, "containers", m.calls("docker run"), nil)
			})
		})
	}
}

func TestAnInstanceWithoutAnIdFailsAndSaysSo(t *testing.T) {
	t.Parallel()

	onEach(t, func(t *testing.T, m *machine) {
		m.must(os.Remove(m.file("root/var/lib/cloud/data/instance-id")))

		output, status := m.boot()
		if status == 0 {
			t.Error("exit status 0")
		}

		contains(t, "output", output, "boot failed: identify the instance: ")
		contains(t, "output", output, "instance-id: No such file or directory")
		equalLines(t, "calls to create a stream", m.calls("aws logs create-log-stream"),
			[]string{"aws logs create-log-stream --log-group-name /starttech/production/backend --log-stream-name unknown/boot" + awsOptions})
	})
}
