package system

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// TestKilledSystem runs beside TestSystem in another checkout. SIGKILL ends make up and Terraform while they bootstrap, and later the
// emulator while they apply. The next make up succeeds. Its local AWS then is the account of make life. At last, everything is killed, and
// make down leaves nothing.
func TestKilledSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the system: its apply takes minutes")
	}
	t.Parallel()
	s := newSystem(t)

	// The orphaned Terraform, if there is one, is in the way of the next make up.
	s.upUntil(t, "aws_s3_bucket.state: Creation complete", "starttech up")
	out := s.upUntil(t, "aws_s3_bucket.frontend: Creation complete", "local/ministack")
	if want := "apply production: AWS cannot be reached"; !strings.Contains(out, want) {
		t.Errorf("after its emulator is killed, make up does not say %q:\n%s", want, out)
	}
	s.up(t, "APP=none")
	s.testLife(t)

	running := s.processes(t)
	var addresses []string
	for _, port := range []int{s.emulator.Port, s.emulator.SitePort} {
		addresses = append(addresses, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	for _, process := range running {
		check(t, syscall.Kill(process.pid, syscall.SIGKILL))
	}
	s.down(t, running, append(addresses, s.outputs["redis_endpoint"]))
}

// pid returns the ID of the process that has a text in its command line and runs in the checkout.
func (s *system) pid(t *testing.T, text string) int {
	t.Helper()
	found, err := local.Processes(text)
	check(t, err)
	for pid := range found {
		if directory, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); directory == s.checkout {
			return pid
		}
	}
	t.Fatalf("%s has no process %q", s.checkout, text)
	return 0
}

// upUntil runs make up until Terraform's output has a line, and then kills the process with a text in its command line. It returns the
// output of make up, which has to fail.
func (s *system) upUntil(t *testing.T, line, victim string) string {
	t.Helper()
	command := s.command("up", "PORT="+strconv.Itoa(s.port))
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	begin := time.Now()
	check(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for {
		select {
		case err := <-ended:
			t.Fatalf("make up ends before %q: %v\n%s", line, err, out.String())
		case <-time.After(200 * time.Millisecond):
		}
		if log, _ := os.ReadFile(filepath.Join(s.checkout, ".local", "aws", "terraform.log")); bytes.Contains(log, []byte(line)) {
			break
		}
	}
	check(t, syscall.Kill(s.pid(t, victim), syscall.SIGKILL))
	if err := <-ended; err == nil {
		t.Fatalf("make up succeeds although %s was killed:\n%s", victim, out.String())
	}
	t.Logf("%6.1f s  make up until %q, and kill -9 of %s", time.Since(begin).Seconds(), line, victim)
	return out.String()
}

// down runs make down, after which none of the processes and addresses is left.
func (s *system) down(t *testing.T, running []process, addresses []string) {
	t.Helper()
	if out, err := s.make("down"); err != nil {
		t.Errorf("make down: %v\n%s", err, out)
	}
	for _, process := range append(running, s.processes(t)...) {
		// The system may take a moment to remove a process that has ended.
		for deadline := time.Now().Add(5 * time.Second); harness.IsRunning(process.pid); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("make down leaves the process %d %.200s", process.pid, process.arguments)
				break
			}
		}
	}
	for _, address := range addresses {
		if isOpen(address) {
			t.Errorf("make down leaves %s open", address)
		}
	}
	if _, err := os.Stat(filepath.Join(s.checkout, ".local", "aws")); !os.IsNotExist(err) {
		t.Errorf("make down leaves .local/aws: %v", err)
	}
}
