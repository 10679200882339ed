package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// osReleases are the contents of /etc/os-release: https://docs.aws.amazon.com/linux/al2/ug/ident-os-release.html and
// https://docs.aws.amazon.com/linux/al2023/ug/ident-os-release.html
var osReleases = map[string]string{
	"2": `NAME="Amazon Linux"
VERSION="2"
ID="amzn"
ID_LIKE="centos rhel fedora"
VERSION_ID="2"
PRETTY_NAME="Amazon Linux 2"
`,
	"2023": `NAME="Amazon Linux"
VERSION="2023"
ID="amzn"
ID_LIKE="fedora"
VERSION_ID="2023"
PLATFORM_ID="platform:al2023"
PRETTY_NAME="Amazon Linux 2023"
`,
}

// preinstalled are the stand-ins on PATH at the first boot. Installing a package adds its programs.
var preinstalled = map[string][]string{
	"2":    {"systemctl", "sleep", "yum", "amazon-linux-extras"},
	"2023": {"systemctl", "sleep", "yum", "dnf"},
}

// missing are programs of this machine that an instance does not have at its first boot, or never has.
var missing = []string{"docker", "dockerd", "podman", "dnf", "amazon-linux-extras", "amazon-cloudwatch-agent-ctl"}

// instance is a running instance.
type instance struct {
	*config
	processes *processes
	services  *services
}

// powerOn runs an instance until standard input ends, which also happens if the emulator is killed, or until SIGTERM or SIGINT.
func powerOn(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: instance init CONFIG")
	}
	c, err := loadConfig(arguments[0])
	if err != nil {
		return err
	}
	off := make(chan os.Signal, 2)
	signal.Notify(off, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		off <- syscall.SIGTERM
	}()

	if err := os.Mkdir(c.Root, 0o700); err != nil {
		return err
	}
	i := &instance{config: c, processes: newProcesses()}
	defer i.remove()
	if err := i.prepare(); err != nil {
		return err
	}
	userData, finished, err := i.startUserData()
	if err != nil {
		return err
	}
	for {
		select {
		case status := <-finished:
			// A failure does not stop an instance.
			logf("cloud-init", "user data finished with exit status %d", exitStatus(status))
			userData = 0
		case <-off:
			logf("init", "power off")
			if userData != 0 {
				i.processes.kill(userData)
			}
			i.services.stopAll()
			return nil
		}
	}
}

// remove kills every process and removes the root directory.
func (i *instance) remove() {
	i.processes.killAll()
	if err := os.RemoveAll(i.Root); err != nil {
		logf("init", "%v", err)
	}
}

// prepare makes the root directory, the environment of every process, and the control socket of systemctl.
func (i *instance) prepare() error {
	for _, directory := range []string{
		"etc/systemd/system", "usr/lib/systemd/system", "usr/bin", "proc", "run/systemd", "var/log", "var/lib/cloud/data",
		"var/lib/cloud/instance", "root", "tmp",
	} {
		if err := os.MkdirAll(i.path(directory), 0o755); err != nil {
			return err
		}
	}
	for name, content := range map[string]string{
		"etc/os-release":                       osReleases[i.AmazonLinux],
		"proc/meminfo":                         "MemTotal:         971280 kB\n", // of a t3.micro
		"var/lib/cloud/data/instance-id":       i.InstanceID + "\n",
		"var/lib/cloud/instance/user-data.txt": i.UserData,
	} {
		if err := os.WriteFile(i.path(name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, name := range preinstalled[i.AmazonLinux] {
		if err := addProgram(i.config, name); err != nil {
			return err
		}
	}
	path, err := i.searchPath()
	if err != nil {
		return err
	}
	os.Clearenv()
	for name, value := range map[string]string{
		"PATH": path, "ROOT": i.Root, "HOME": i.path("root"), "TMPDIR": i.path("tmp"), configVariable: i.file,
		"AWS_ENDPOINT_URL":                  i.Endpoint,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": i.Metadata,
		// By default the AWS CLI tries once, for a second. The emulator can be busy for longer.
		"AWS_METADATA_SERVICE_TIMEOUT": "5", "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	i.services, err = newServices(i)
	return err
}

// searchPath returns the PATH of the instance: its own programs, and those of the configuration without the missing ones. A directory
// that contains a missing program is replaced by a directory of links.
func (i *instance) searchPath() (string, error) {
	path := []string{i.path("usr/bin")}
	for number, directory := range filepath.SplitList(i.Path) {
		if !slices.ContainsFunc(missing, func(name string) bool { _, err := os.Stat(filepath.Join(directory, name)); return err == nil }) {
			path = append(path, directory)
			continue
		}
		links := i.path(fmt.Sprintf("usr/lib/path/%d", number))
		entries, err := os.ReadDir(directory)
		if err = cmp.Or(err, os.MkdirAll(links, 0o755)); err != nil {
			return "", err
		}
		for _, entry := range entries {
			if slices.Contains(missing, entry.Name()) {
				continue
			}
			if err := os.Symlink(filepath.Join(directory, entry.Name()), filepath.Join(links, entry.Name())); err != nil {
				return "", err
			}
		}
		path = append(path, links)
	}
	return strings.Join(path, ":"), nil
}

// startUserData starts the user data, as cloud-init does at the first boot. The output goes to cloud-init's log and to standard
// output.
func (i *instance) startUserData() (pid int, finished <-chan syscall.WaitStatus, err error) {
	// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html#user-data-shell-scripts
	if !strings.HasPrefix(i.UserData, "#!") {
		logf("cloud-init", "the user data is not a script: it does not start with #!")
		return 0, nil, nil
	}
	log, err := os.Create(i.path("var/log/cloud-init-output.log"))
	if err != nil {
		return 0, nil, err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	command := exec.Command("bash", i.path("var/lib/cloud/instance/user-data.txt"))
	command.Dir, command.Stdout, command.Stderr, command.SysProcAttr = i.Root, writer, writer, ownGroup()
	pid, finished, err = i.processes.start(command)
	writer.Close()
	go func() {
		defer log.Close()
		_, _ = io.Copy(io.MultiWriter(log, os.Stdout), reader)
	}()
	return pid, finished, err
}

// logf writes a line to the console.
func logf(source, format string, arguments ...any) {
	fmt.Println(source + ": " + fmt.Sprintf(format, arguments...))
}
