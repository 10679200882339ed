package userdata_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestReleaseIsPulledAndRun(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		output := m.mustBoot()

		equalLines(t, "calls", m.calls(), []string{
			m.version.installer,
			"systemctl enable docker",
			"systemctl start docker",
			"aws ssm get-parameter --name /starttech/production/release --query Parameter.Value --output text" + awsOptions,
			"aws ssm get-parameters-by-path --path " + path + " --recursive --with-decryption" +
				" --query Parameters[].[Name,Value] --output json" + awsOptions,
			"aws ecr get-login-password" + awsOptions,
			"docker login --username AWS --password-stdin " + registry,
			"docker pull " + image,
			"docker inspect --format {{.Config.User}} {{.Config.WorkingDir}} " + image,
			"systemctl daemon-reload",
			"systemctl enable starttech-backend",
			"systemctl restart starttech-backend",
			"docker rm --force backend",
			"docker " + dockerRun,
		})
		equal(t, "password on docker login's standard input", m.read("state/login"), secret+"-of-the-registry")

		stamp := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ `)
		if got, want := len(stamp.FindAllString(output, -1)), strings.Count(output, "\n"); got != want {
			t.Errorf("%d of %d lines have a UTC timestamp:\n%s", got, want, output)
		}

		equalLines(t, "steps", strings.Split(stamp.ReplaceAllString(strings.TrimSpace(output), ""), "\n"), []string{
			"identify the instance",
			"install Docker",
			"start Docker",
			"read /starttech/production/release",
			"read the parameters under " + path,
			"environment variables: ALLOWED_ORIGINS COOKIE_DOMAINS ENABLE_CACHE JWT_SECRET_KEY LOG_FORMAT LOG_LEVEL MONGO_URI PORT" +
				" REDIS_ADDR SECURE_COOKIE",
			"pull " + image,
			"start the backend",
			"boot complete: " + release,
		})
	})
}

func TestParametersOverrideTerraformVariables(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.mustBoot()

		equal(t, "backend.env", m.read("root/etc/starttech/backend.env"), environment)
	})
}

func TestEnvironmentFileHasPortWithoutParameters(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.settings.Environment = nil
		m.write("state/parameters", parameters())
		m.mustBoot()
		equal(t, "backend.env", m.read("root/etc/starttech/backend.env"), "PORT=8080\n")
	})
}

func TestOnlyRootAndContainerCanReadEnvironmentFile(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.mustBoot()

		for name, want := range map[string]fs.FileMode{
			"etc/starttech":                                0o700 | fs.ModeDir,
			"etc/starttech/backend.env":                    0o444,
			"etc/systemd/system/starttech-backend.service": 0o644,
		} {
			info, err := os.Stat(filepath.Join(m.root, name))
			m.must(err)

			if info.Mode() != want {
				t.Errorf("%s is %s, want %s", name, info.Mode(), want)
			}
		}

		equal(t, "umask", m.read("state/umask"), "0077\n")
	})
}

func TestAWSCLIRunsInUTF8Locale(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.mustBoot()
		equal(t, "LC_ALL", m.read("state/locale"), m.version.locale+"\n")
	})
}

func TestSystemdAlwaysRestartsBackend(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.mustBoot()

		equal(t, "unit", m.read("root/etc/systemd/system/starttech-backend.service"), `[Unit]
Description=StartTech backend 0f5c1e7
Wants=docker.service
After=docker.service

[Service]
ExecStartPre=-BIN/docker rm --force backend
ExecStart=BIN/docker run --rm --name backend \
  --env-file ROOT/etc/starttech/backend.env --volume ROOT/etc/starttech/backend.env:/app/.env:ro \
  --publish 8080:8080 --security-opt no-new-privileges \
  --memory 728460k --pids-limit 1024 \
  --log-driver awslogs --log-opt awslogs-region=eu-west-1 --log-opt awslogs-group=/starttech/production/backend \
  --log-opt awslogs-stream=i-0123456789abcdef0/0f5c1e7 --log-opt mode=non-blocking --log-opt max-buffer-size=25m \
  123456789012.dkr.ecr.eu-west-1.amazonaws.com/starttech-production-backend:0f5c1e7
Restart=always
RestartSec=5
StartLimitInterval=0
StandardOutput=null
StandardError=journal

[Install]
WantedBy=multi-user.target
`)
	})
}

func TestDockerGetsAnotherBridgeOnlyIfTheSettingsHaveOne(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.mustBoot()
		if _, err := os.Stat(filepath.Join(m.root, "etc/docker/daemon.json")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Docker is configured without a setting: %v", err)
		}

		// In the first boot with the setting, Docker is already running. It reads the file at a restart.
		m.settings.DockerBridge = "192.168.127.1/24"
		for _, job := range []string{"restart", "start"} {
			m.mustBoot()
			equal(t, "configuration of Docker", m.read("root/etc/docker/daemon.json"), `{"bip": "192.168.127.1/24"}`+"\n")
			contains(t, "calls", m.read("state/calls"), "systemctl "+job+" docker\n")
		}
	})
}

func TestContainerGetsEnvironmentFileTwice(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ name, workingDirectory, mountpoint string }{
		{"in the image's WORKDIR", "/srv/app-1.0", "/srv/app-1.0/.env:ro\n"},
		{"in / if the image has no WORKDIR", "", "/.env:ro\n"},
		{"in / if that is the image's WORKDIR", "/", "/.env:ro\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			forEachVersion(t, func(t *testing.T, m *machine) {
				m.write("state/image", "nobody "+test.workingDirectory+"\n")
				m.mustBoot()

				file := m.read("root/etc/starttech/backend.env")
				equal(t, "--env-file", m.read("state/container.environment"), file)
				equal(t, "mounted file", m.read("state/container.mount"), file)
				equal(t, "mounted at", m.read("state/container.mountpoint"), test.mountpoint)
			})
		})
	}
}

// Other users than root have no capabilities.
func TestRootOfContainerHasNoCapabilities(t *testing.T) {
	t.Parallel()

	for user, isRoot := range map[string]bool{
		"": true, "root": true, "root:root": true, "0": true, "0:0": true,
		"nobody": false, "65532:65532": false, "rootless": false, "10": false,
	} {
		t.Run("user "+user, func(t *testing.T) {
			t.Parallel()

			forEachVersion(t, func(t *testing.T, m *machine) {
				m.write("state/image", user+" /app\n")
				m.mustBoot()

				run := m.calls("docker run")
				if len(run) != 1 || strings.Contains(run[0], " --cap-drop ALL ") != isRoot {
					t.Errorf("the containers are %q, want one without capabilities: %t", run, isRoot)
				}

				equal(t, "mounted at", m.read("state/container.mountpoint"), "/app/.env:ro\n")
			})
		})
	}
}

func TestContainerLeavesMemoryForSystem(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.write("root/proc/meminfo", "MemTotal:        8000000 kB\n")
		m.mustBoot()
		contains(t, "docker run", m.calls("docker run")[0], " --memory 6000000k ")
	})
}

// A newline at the end is an editor's. Characters that are special elsewhere are not special in JSON.
func TestValuesAreReadAsTheyAre(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.settings.Environment = nil
		m.write("state/parameters", parameters("A", "x\n", "B", "", "C", "a\tb\t.", "D", "\\n\u2028<&>é😀", "E", `"'`+"`$(id)"))
		m.mustBoot()
		equal(t, "backend.env", m.read("root/etc/starttech/backend.env"),
			"A=x\nB=\nC=a\tb\t.\nD=\\n\u2028<&>é😀\nE=\"'`$(id)\nPORT=8080\n")
	})
}

func TestDockerIsInstalledOnlyIfMissing(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.must(os.Symlink(filepath.Join(stubs(), "bin", "docker"), filepath.Join(m.bin, "docker")))
		m.mustBoot()
		equalLines(t, "installs", m.calls("amazon-linux-extras", "yum", "dnf"), nil)
		equalLines(t, "calls for Docker's service", m.calls("systemctl")[:2],
			[]string{"systemctl enable docker", "systemctl start docker"})
	})
}

func TestYumInstallsDockerWithoutAmazonLinuxExtras(t *testing.T) {
	t.Parallel()

	m := newMachine(t, osVersions[0])
	m.must(os.Remove(filepath.Join(m.bin, "amazon-linux-extras")))
	m.mustBoot()
	equalLines(t, "installs", m.calls("amazon-linux-extras", "yum", "dnf"), []string{"yum install -y docker"})
}

func TestSecondBootChangesNothing(t *testing.T) {
	t.Parallel()

	forEachVersion(t, func(t *testing.T, m *machine) {
		m.mustBoot()
		first, calls := m.files(), m.calls()
		m.mustBoot()
		equalFiles(t, m.files(), first)
		equalLines(t, "calls of the second boot", m.calls(), calls[1:]) // all calls except the installation of Docker
	})
}

func equalFiles(t *testing.T, got, want map[string]string) {
	t.Helper()

	for _, name := range slices.Sorted(maps.Keys(want)) {
		equal(t, name, got[name], want[name])
	}

	equalLines(t, "files", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
}
