package system

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/creack/pty"

	"github.com/starttech/infrastructure/test/internal/harness"
)

var drill = flag.Bool("drill", false, "break an environment on the local AWS, and mend it with the commands of docs/runbook.md")

// The limits of a command, and of what the drill waits for.
const (
	commandLimit = 30 * time.Minute
	waitLimit    = 15 * time.Minute
	stopLimit    = time.Minute // of a command after an interrupt
)

// exercise breaks the environment in one way, and mends it with the commands of a section of docs/runbook.md.
type exercise struct {
	name     string
	section  string   // heading
	commands []string // that mend it, as the section writes them, in their order

	breakIt func(d *drilled, t *testing.T)
	// before is what a person does before a command, by its index.
	before map[int]func(d *drilled, t *testing.T)
	// after is what is claimed when a command has ended, by its index.
	after map[int]func(d *drilled, t *testing.T, output string, err error)
	whole func(d *drilled, t *testing.T) // besides the site, the API, the targets and the plan
}

var exercises = []exercise{
	{
		name: "bad release", section: "A bad release",
		commands: []string{"starttech rollback backend --env $ENV"},
		breakIt:  (*drilled).releaseNeverHealthy,
	},
	{
		name: "bad boot script", section: "A deploy's instance refresh fails",
		commands: []string{
			"starttech logs boot --env $ENV --since 1h", "starttech refresh --cancel --env $ENV", "git revert --no-edit HEAD", "starttech deploy --env $ENV",
		},
		breakIt: (*drilled).deployBadBoot,
		before:  map[int]func(*drilled, *testing.T){2: (*drilled).waitForFailedDeploy},
		after: map[int]func(*drilled, *testing.T, string, error){0: func(_ *drilled, t *testing.T, output string, _ error) {
			if !strings.Contains(output, badBoot) {
				t.Errorf("the log of the boot does not have the reason:\n%s", output)
			}
		}},
	},
	{
		name: "lost and hung instance", section: "An instance is lost or broken",
		commands: []string{"starttech instances list --env $ENV", "starttech instances replace INSTANCE --env $ENV"},
		breakIt:  (*drilled).loseAndHangInstance,
		after: map[int]func(*drilled, *testing.T, string, error){1: func(_ *drilled, t *testing.T, output string, err error) {
			if err != nil && !strings.Contains(output, "is not an instance of") { // the group can be faster
				t.Errorf("the hung instance is not replaced: %v\n%s", err, output)
			}
		}},
	},
	{
		name: "full Redis", section: "redis-memory",
		commands: []string{"starttech deploy --env $ENV"},
		breakIt:  (*drilled).fillRedis,
		before: map[int]func(*drilled, *testing.T){0: func(d *drilled, t *testing.T) {
			d.edit(t, "nodeType: cache.t3.micro", "nodeType: cache.t3.small")
		}},
		whole: func(d *drilled, t *testing.T) {
			d.waitFor(t, "the alarm redis-memory is not OK", func() bool { return d.alarm(t, "redis-memory-1") == "OK" })
		},
	},
	{
		name: "locked and damaged state", section: "Roll back the state",
		commands: []string{
			"starttech unlock --env $ENV", "starttech rollback state --env $ENV", "starttech rollback state --to VERSION --env $ENV --dry-run",
			"starttech rollback state --to VERSION --env $ENV", "starttech plan --env $ENV",
		},
		breakIt: (*drilled).lockAndDamageState,
		after: map[int]func(*drilled, *testing.T, string, error){
			0: func(_ *drilled, t *testing.T, output string, err error) {
				if err == nil || !strings.Contains(output, "is unlocked") || !strings.Contains(output, "is not a state") {
					t.Errorf("unlock does not remove the lock, or does not find the damage: %v\n%s", err, output)
				}
			},
			1: func(d *drilled, t *testing.T, output string, err error) {
				if err != nil || !strings.Contains(output, d.values["VERSION"]) {
					t.Errorf("the version %s is not listed: %v\n%s", d.values["VERSION"], err, output)
				}
			},
		},
	},
	{
		name: "deleted index.html", section: "The page is gone",
		commands: []string{"starttech rollback frontend --env $ENV", "starttech rollback frontend --to TIME --env $ENV"},
		breakIt:  (*drilled).deletePage,
	},
	{
		name: "revoked role", section: "The instances' role is revoked",
		commands: []string{"starttech plan --env $ENV", "starttech deploy --env $ENV", "starttech refresh --env $ENV"},
		breakIt:  (*drilled).revokeRole,
	},
	{
		name: "expired certificate", section: "certificate-expires",
		commands: []string{
			"starttech status --env $ENV", "starttech plan --env $ENV",
			"terraform -chdir=cdktf.out/stacks/$ENV apply -replace=aws_acm_certificate.load_balancer_certificate -replace=aws_acm_certificate.cloudfront_certificate",
		},
		breakIt: (*drilled).expireCertificates,
		after: map[int]func(*drilled, *testing.T, string, error){0: func(_ *drilled, t *testing.T, output string, _ error) {
			if !strings.Contains(output, "EXPIRED") {
				t.Errorf("status does not show that the certificates have expired:\n%s", output)
			}
		}},
		whole: func(d *drilled, t *testing.T) {
			output, err := d.run(t, "starttech status --env $ENV")
			for _, region := range []string{"eu-west-1", "us-east-1"} {
				want := fmt.Sprintf("ISSUED in %s, until %d-", region, time.Now().AddDate(1, 0, 0).Year())
				if err != nil || strings.Count(output, "Certificate ") != 2 || !strings.Contains(output, want) {
					t.Errorf("status does not show %q, and two certificates: %v\n%s", want, err, output)
				}
			}
		},
	},
}

// The commands of the drill are those that docs/runbook.md names in these sections.
func TestDrillsCommandsAreTheRunbooks(t *testing.T) {
	page := read(t, filepath.Join(harness.Root, "docs", "runbook.md"))
	for _, each := range exercises {
		section := sectionOf(page, each.section)
		if section == "" {
			t.Errorf("docs/runbook.md has no section %q", each.section)
		}
		for _, command := range each.commands {
			if !strings.Contains(section, command) {
				t.Errorf("%q of docs/runbook.md does not name %s", each.section, command)
			}
		}
	}
	if section := sectionOf(page, "redis-cpu"); strings.Contains(section, "high-memory") || section == "" {
		t.Errorf("the section redis-cpu does not end before the next one: %q", section)
	}
}

// sectionOf returns the text below a heading, up to the next heading. Continued lines of commands are one line, with one space.
func sectionOf(page, heading string) string {
	_, after, ok := strings.Cut(page, "# "+heading+"\n")
	if !ok {
		return ""
	}
	if end := regexp.MustCompile(`(?m)^##+ `).FindStringIndex(after); end != nil {
		after = after[:end[0]]
	}
	return regexp.MustCompile(`(?: *\\)?\n +`).ReplaceAllString(after, " ")
}

// drilled is the system that is broken.
type drilled struct {
	*system
	ctx    context.Context // until an interrupt
	values map[string]string
	deploy *running // of the bad boot script
}

// result is a line of the table at the end.
type result struct {
	name          string
	broken, whole time.Duration // until it is broken, and from then on until it is whole
	ok            bool
}

// TestDrill breaks production on a local AWS in eight ways, and mends it with the commands of docs/runbook.md. make drill runs it.
func TestDrill(t *testing.T) {
	if !*drill {
		t.Skip("make drill runs it: it takes about half an hour")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &drilled{system: newSystem(t), ctx: ctx, values: map[string]string{}}
	d.edit(t, "backend:\n", fmt.Sprintf("domain: {name: app.example.com, createZone: true}\nbackend:\n  warmupSeconds: %d\n", warmup))
	check(t, d.sh("git init --quiet && git add --all && git commit --quiet --message 'the last deploy'"))
	d.up(t)
	d.requireWhole(t, nil)

	var results []result
	for _, each := range exercises {
		if ctx.Err() != nil {
			break
		}
		r := result{name: each.name}
		r.ok = t.Run(each.name, func(t *testing.T) {
			begin := time.Now()
			each.breakIt(d, t)
			r.broken = time.Since(begin)
			t.Logf("%6.1f s  broken", r.broken.Seconds())
			begin = time.Now()
			defer func() { r.whole = time.Since(begin) }()
			d.mend(t, each)
			d.requireWhole(t, each.whole)
		})
		results = append(results, r)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-28s %10s %10s  %s\n", "drill", "to break", "to mend", "whole")
	for _, r := range results {
		fmt.Fprintf(&table, "%-28s %8.0f s %8.0f s  %s\n", r.name, r.broken.Seconds(), r.whole.Seconds(), map[bool]string{true: "yes", false: "NO"}[r.ok])
	}
	t.Logf("\n%s", table.String())
	if ctx.Err() != nil {
		t.Error("interrupted")
	}
}

// mend runs the commands of a section.
func (d *drilled) mend(t *testing.T, e exercise) {
	t.Helper()
	for i, command := range e.commands {
		if before := e.before[i]; before != nil {
			before(d, t)
		}
		begin := time.Now()
		output, err := d.run(t, command)
		t.Logf("%6.1f s  %s", time.Since(begin).Seconds(), command)
		if after := e.after[i]; after != nil {
			after(d, t, output, err)
		} else if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, output)
		}
	}
}

// requireWhole waits until the site, the API with Redis and all targets are healthy, and requires that a plan has nothing to change.
func (d *drilled) requireWhole(t *testing.T, further func(*drilled, *testing.T)) {
	t.Helper()
	d.waitFor(t, "the page does not answer", func() bool { return d.answers("/") })
	d.waitFor(t, "the API does not answer", func() bool { return d.answers("/ping") })
	d.waitFor(t, "the targets are not healthy", func() bool {
		healthy, instances := d.healthy(t), d.instances(t)
		slices.Sort(healthy)
		slices.Sort(instances)
		return len(healthy) >= 2 && slices.Equal(healthy, instances)
	})
	cookie := d.login(t, "Drill") // Redis has the sessions
	response, err := d.client.Do(d.request(http.MethodPost, "/tasks", `{"title": "after a drill"}`, cookie))
	check(t, err)
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		t.Fatalf("a task is not created: %s", response.Status)
	}
	if further != nil {
		further(d, t)
	}
	output, err := d.run(t, "starttech plan --env $ENV")
	if err != nil || !strings.Contains(output, "No changes.") {
		t.Fatalf("a plan has changes: %v\n%s", err, output)
	}
}

func (d *drilled) answers(path string) bool {
	response, err := d.client.Get(d.url + path)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusOK
}

// waitFor waits until a condition holds, for waitLimit or until an interrupt.
func (d *drilled) waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	begin := time.Now()
	for !condition() {
		select {
		case <-d.ctx.Done():
			t.Fatal("interrupted")
		case <-time.After(time.Second):
		}
		if time.Since(begin) > waitLimit {
			t.Fatalf("after %s: %s", waitLimit, what)
		}
	}
}

// running is a command line that runs in a shell at a terminal of its own. The drill answers the
// questions of starttech and of Terraform.
type running struct {
	command *exec.Cmd
	output  bytes.Buffer
	ended   chan error
}

var (
	escapes   = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
	questions = regexp.MustCompile(`(?:Type (\S+) to continue|Enter a value):$`)
)

// start starts a command line of the runbook.
func (d *drilled) start(t *testing.T, line string) *running {
	t.Helper()
	for name, value := range d.values {
		line = strings.ReplaceAll(line, name, value)
	}
	r := &running{command: d.shell(line), ended: make(chan error, 1)}
	terminal, err := pty.StartWithSize(r.command, &pty.Winsize{Rows: 24, Cols: 200})
	check(t, err)
	go func() {
		defer terminal.Close()
		buffer := make([]byte, 4096)
		for {
			n, err := terminal.Read(buffer)
			r.output.Write(buffer[:n])
			if err != nil { // the command has closed its side of the terminal
				break
			}
			text := strings.TrimRight(escapes.ReplaceAllString(r.output.String(), ""), " ")
			if question := questions.FindStringSubmatch(text); question != nil {
				_, _ = terminal.WriteString(cmp.Or(question[1], "yes") + "\n")
			}
		}
		r.ended <- r.command.Wait()
	}()
	return r
}

// shell is a shell with a command line, in the checkout, with credentials of the local AWS.
func (d *drilled) shell(line string) *exec.Cmd {
	command := exec.Command("bash", "-c", line)
	command.Dir = d.checkout
	variables := os.Environ()
	if d.emulator != nil {
		variables = d.environment()
	}
	variables = slices.DeleteFunc(variables, func(variable string) bool { return strings.HasPrefix(variable, "CI=") })
	path := []string{filepath.Join(d.checkout, ".local", "bin"), filepath.Join(d.checkout, ".venv", "bin"), os.Getenv("PATH")}
	command.Env = append(variables, "ENV=production", "ACCOUNT=123456789012", "MAKEFLAGS=", "GOTMPDIR=", "PATH="+strings.Join(path, string(os.PathListSeparator)),
		"GIT_AUTHOR_NAME=drill", "GIT_AUTHOR_EMAIL=drill@localhost", "GIT_COMMITTER_NAME=drill", "GIT_COMMITTER_EMAIL=drill@localhost", "GIT_CONFIG_GLOBAL="+os.DevNull)
	return command
}

// sh runs a command line without a terminal.
func (d *drilled) sh(line string) error {
	if out, err := d.shell(line).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", line, err, out)
	}
	return nil
}

// run runs a command line of the runbook, and returns what it prints.
func (d *drilled) run(t *testing.T, line string) (string, error) {
	t.Helper()
	return d.wait(t, d.start(t, line))
}

// wait waits for the end of a command. At an interrupt, and after commandLimit, it ends the command.
func (d *drilled) wait(t *testing.T, r *running) (string, error) {
	t.Helper()
	select {
	case err := <-r.ended:
		return escapes.ReplaceAllString(r.output.String(), ""), err
	case <-d.ctx.Done():
	case <-time.After(commandLimit):
	}
	group := -r.command.Process.Pid // pty starts a session
	_ = syscall.Kill(group, syscall.SIGINT)
	select {
	case <-r.ended:
	case <-time.After(stopLimit):
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-r.ended
	}
	t.Fatalf("%s: ended by the drill, after an interrupt or %s\n%s", r.command.Args[2], commandLimit, r.output.String())
	return "", nil
}

// releaseNeverHealthy releases an image that never becomes healthy. The release is killed, so that it does not roll back.
func (d *drilled) releaseNeverHealthy(t *testing.T) {
	image, tag := d.image(t, "DEMO_UNHEALTHY=true")
	d.push(t, d.withEnvironment(t), image, tag)
	release := d.start(t, "exec starttech release backend "+tag+" --env $ENV")
	d.waitFor(t, "no target fails", func() bool { return d.hasTargetWith(t, elbtypes.TargetHealthReasonEnumResponseCodeMismatch) })
	check(t, release.command.Process.Kill())
	<-release.ended
}

const badBoot = "boot failed: cannot install Docker: a drill"

// deployBadBoot deploys a boot script that fails, and waits until the log has the reason. The deploy goes on.
func (d *drilled) deployBadBoot(t *testing.T) {
	path := filepath.Join(d.checkout, "userdata", "boot.sh")
	script, step := read(t, path), "step 'install Docker'\n"
	if strings.Count(script, step) != 1 {
		t.Fatalf("%s has no %q", path, step)
	}
	check(t, os.WriteFile(path, []byte(strings.Replace(script, step, step+"fail 'a drill'\n", 1)), 0o644))
	check(t, d.sh("git commit --quiet --all --message 'a bad boot script'"))
	d.deploy = d.start(t, "exec starttech deploy --env $ENV")
	d.waitFor(t, "the log has no failed boot", func() bool {
		select {
		case err := <-d.deploy.ended:
			t.Fatalf("the deploy ends: %v\n%s", err, d.deploy.output.String())
		default:
		}
		output, _ := d.run(t, "starttech logs boot --env $ENV --since 1h")
		return strings.Contains(output, badBoot)
	})
}

func (d *drilled) waitForFailedDeploy(t *testing.T) {
	if output, err := d.wait(t, d.deploy); err == nil || !strings.Contains(output, "A deploy's instance refresh fails") {
		t.Fatalf("the deploy does not fail because of its instance refresh: %v\n%s", err, output)
	}
}

// loseAndHangInstance terminates an instance without notice, which the group replaces, and stops the programs of another one.
func (d *drilled) loseAndHangInstance(t *testing.T) {
	lost := d.instances(t)[0]
	d.aws(t, "ec2", "terminate-instances", "--instance-ids", lost)
	d.waitFor(t, lost+" is not replaced", func() bool {
		return len(d.healthy(t)) == 2 && len(d.instances(t)) == 2 && !slices.Contains(d.instances(t), lost)
	})
	hung := d.instances(t)[0]
	d.values["INSTANCE"] = hung
	root := filepath.Join(d.checkout, ".local", "aws", "instances", hung, "root")
	for _, process := range d.processes(t) {
		if strings.HasPrefix(process.root, root) || strings.Contains(process.arguments, root+"/usr/bin/docker run") {
			check(t, syscall.Kill(process.pid, syscall.SIGSTOP))
		}
	}
}

// fillRedis writes 448 MiB, which is more than 80% of a cache.t3.micro's memory. The local Redis has no limit, so it refuses nothing.
func (d *drilled) fillRedis(t *testing.T) {
	connection, err := net.Dial("tcp", d.outputs["redis_endpoint"])
	check(t, err)
	t.Cleanup(func() { connection.Close() })
	const keys, size = 7, 64 << 20
	send := func(arguments ...[]byte) {
		fmt.Fprintf(connection, "*%d\r\n", len(arguments))
		for _, argument := range arguments {
			fmt.Fprintf(connection, "$%d\r\n%s\r\n", len(argument), argument)
		}
		reply := make([]byte, 64)
		n, err := connection.Read(reply)
		check(t, err)
		if reply[0] == '-' {
			t.Fatalf("Redis: %s", reply[:n])
		}
	}
	value := bytes.Repeat([]byte("x"), size)
	for i := range keys {
		send([]byte("SET"), fmt.Append(nil, "drill-", i), value)
	}
	t.Cleanup(func() { // the memory of this machine
		for i := range keys {
			send([]byte("DEL"), fmt.Append(nil, "drill-", i))
		}
	})
	d.waitFor(t, "the alarm redis-memory does not ring", func() bool { return d.alarm(t, "redis-memory-1") == "ALARM" })
}

// lockAndDamageState leaves a lock of a Terraform that was killed while it wrote the state, and a truncated state.
func (d *drilled) lockAndDamageState(t *testing.T) {
	const bucket, key, table = "starttech-terraform-state-123456789012", "production/terraform.tfstate", "starttech-terraform-lock"
	d.values["VERSION"] = d.aws(t, "s3api", "head-object", "--bucket", bucket, "--key", key, "--query", "VersionId", "--output", "text")
	damaged := []byte(`{"version": 4, "serial": `)
	file := filepath.Join(t.TempDir(), "state")
	check(t, os.WriteFile(file, damaged, 0o600))
	d.aws(t, "s3", "cp", "--quiet", file, "s3://"+bucket+"/"+key)
	sum := md5.Sum(damaged)
	lock := `{\"ID\":\"5d1ff9c6-7f4a-0b8e-6f44-000000000000\",\"Operation\":\"OperationTypeApply\",\"Who\":\"drill\",\"Version\":\"1.11.0\",\"Created\":\"2026-11-26T08:00:00Z\",\"Path\":\"` + bucket + "/" + key + `\"}`
	for _, item := range []string{
		`{"LockID": {"S": "` + bucket + "/" + key + `"}, "Info": {"S": "` + lock + `"}}`,
		`{"LockID": {"S": "` + bucket + "/" + key + `-md5"}, "Digest": {"S": "` + hex.EncodeToString(sum[:]) + `"}}`,
	} {
		d.aws(t, "dynamodb", "put-item", "--table-name", table, "--item", item)
	}
}

func (d *drilled) deletePage(t *testing.T) {
	time.Sleep(1100 * time.Millisecond) // S3's times have seconds
	d.values["TIME"] = time.Now().UTC().Format(time.RFC3339)
	time.Sleep(1100 * time.Millisecond)
	d.aws(t, "s3api", "delete-object", "--bucket", d.outputs["frontend_bucket"], "--key", "index.html")
	d.aws(t, "cloudfront", "create-invalidation", "--distribution-id", d.outputs["distribution_id"], "--paths", "/*")
	d.waitFor(t, "the page still answers", func() bool { return !d.answers("/") })
}

// revokeRole deletes the policy of the instances' role, and terminates an instance. The one in its place does not boot.
func (d *drilled) revokeRole(t *testing.T) {
	d.aws(t, "iam", "delete-role-policy", "--role-name", "starttech-production-instance", "--policy-name", "backend")
	before := d.consoles(t, "boot failed: ")
	d.aws(t, "autoscaling", "terminate-instance-in-auto-scaling-group", "--instance-id", d.instances(t)[0], "--no-should-decrement-desired-capacity")
	d.waitFor(t, "no boot fails without the policy", func() bool { return len(d.consoles(t, "boot failed: ")) > len(before) })
}

// expireCertificates lets the certificates expire by an endpoint of the local AWS, because only time does it on AWS. CloudFront then does not reach
// the load balancer. Between browsers and CloudFront, the local AWS has no TLS.
func (d *drilled) expireCertificates(t *testing.T) {
	request, err := http.NewRequestWithContext(d.ctx, http.MethodGet, d.emulator.Endpoint()+"/_local/expire", nil)
	check(t, err)
	request.SetBasicAuth(d.emulator.AccessKeyID, d.emulator.SecretAccessKey)
	response, err := http.DefaultClient.Do(request)
	check(t, err)
	defer response.Body.Close()
	expired, err := io.ReadAll(response.Body)
	check(t, err)
	if response.StatusCode != http.StatusOK || bytes.Count(expired, []byte(":certificate/")) != 2 {
		t.Fatalf("want two certificates to expire: %s %s", response.Status, expired)
	}
	d.waitFor(t, "the API still answers", func() bool { return !d.answers("/ping") })
}
