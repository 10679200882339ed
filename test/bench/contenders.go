package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/starttech/infrastructure/packagecache"
)

// contender is a program, the folder that it runs in, and what was measured of it.
type contender struct {
	name    string
	command []string
	dir     string
	env     []string // what it has besides the bench's own environment
	every   int      // 1 runs in every round, 2 in every second

	results []result
	peaks   []int64 // of the memory of its processes, in bytes
}

// result is one run of a contender.
type result struct {
	begin  time.Time
	took   time.Duration
	stdout []byte
}

// contenders are all that take part. Those named after a number are so many copies of production.
type contenders struct {
	prepared, full      *contender // every stack
	javascript, modules *contender // the same stacks in JavaScript, and with the modules of their resources alone
	vpcFull             *contender // one VPC, what every program on the full bindings pays
	oneFull, tenFull    *contender
	one, four, sixteen  *contender // on the prepared cache
	resources           *contender // 1,500 resources in one stack, on the prepared cache

	stacks    string   // the file of what prepared synthesized, for JavaScript
	differing []string // the stacks that JavaScript does not write byte by byte as prepared does
}

func newContenders(programs, prepared, preparedResources, javascript, scratch string) (*contenders, error) {
	cache := packagecache.Variable + "=" + prepared
	synthesize := []string{filepath.Join(programs, "infrastructure")}
	all := &contenders{stacks: filepath.Join(scratch, "stacks.json")}
	program := []string{"node", filepath.Join(javascript, "program.js"), all.stacks}

	all.prepared = &contender{name: "every stack, prepared cache", command: synthesize, env: []string{cache}, every: 1}
	all.full = &contender{name: "every stack, full bindings", command: synthesize, every: 1}
	all.javascript = &contender{name: "every stack, JavaScript", command: program, every: 1}
	all.modules = &contender{name: "every stack, JavaScript, needed modules only", command: append(slices.Clone(program), "modules"), every: 1}
	all.vpcFull = &contender{name: "one VPC, full bindings", command: []string{filepath.Join(programs, "vpc")}, every: 2}
	all.oneFull = &contender{name: "1 environment, full bindings", command: synthesize, every: 2}
	all.tenFull = &contender{name: "10 environments, full bindings", command: synthesize, every: 2}
	all.one = &contender{name: "1 environment, prepared cache", command: synthesize, env: []string{cache}, every: 2}
	all.four = &contender{name: "4 environments, prepared cache", command: synthesize, env: []string{cache}, every: 2}
	all.sixteen = &contender{name: "16 environments, prepared cache", command: synthesize, env: []string{cache}, every: 2}
	all.resources = &contender{name: "1,500 resources, prepared cache", command: []string{filepath.Join(programs, "resources")}, env: []string{packagecache.Variable + "=" + preparedResources}, every: 2}

	for i, c := range all.list() {
		c.dir = filepath.Join(scratch, fmt.Sprint(i))
		if err := os.MkdirAll(filepath.Join(c.dir, "environments"), 0o755); err != nil {
			return nil, err
		}
	}
	return all, errors.Join(
		copyShipped(all.prepared.dir), copyShipped(all.full.dir),
		copyProduction(all.oneFull.dir, 1), copyProduction(all.tenFull.dir, 10),
		copyProduction(all.one.dir, 1), copyProduction(all.four.dir, 4), copyProduction(all.sixteen.dir, 16),
	)
}

// list is all of them, in the order of a round.
func (all *contenders) list() []*contender {
	return []*contender{
		all.prepared, all.full, all.javascript, all.modules, all.vpcFull, all.oneFull, all.tenFull,
		all.one, all.four, all.sixteen, all.resources,
	}
}

// copyShipped gives a contender the environments of the checkout.
func copyShipped(dir string) error {
	return os.CopyFS(filepath.Join(dir, "environments"), os.DirFS("environments"))
}

// copyProduction gives a contender production under that many names.
func copyProduction(dir string, count int) error {
	content, err := os.ReadFile(filepath.Join("environments", "production.yaml"))
	if err != nil {
		return err
	}
	for n := range count {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "environments", fmt.Sprintf("copy-%d.yaml", n)), content, 0o644))
	}
	return err
}

func (c *contender) run(ctx context.Context) (result, error) {
	program := c.process(ctx)
	var stdout, stderr bytes.Buffer
	program.Stdout, program.Stderr = &stdout, &stderr
	begin := time.Now()
	if err := program.Run(); err != nil {
		return result{}, fmt.Errorf("%s: %w\n%s%s", c.name, err, &stdout, &stderr)
	}
	return result{begin: begin, took: time.Since(begin), stdout: stdout.Bytes()}, nil
}

func (c *contender) process(ctx context.Context) *exec.Cmd {
	process := command(ctx, c.dir, c.command...)
	process.Env = append(os.Environ(), c.env...)
	return process
}

// command runs in a folder, and in a process group of its own that ends as a whole when ctx does: what is measured has
// child processes.
func command(ctx context.Context, dir string, words ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	return c
}

// time is the median of the contender's times.
func (c *contender) time() time.Duration {
	var times []time.Duration
	for _, r := range c.results {
		times = append(times, r.took)
	}
	return median(times)
}

func median[T cmp.Ordered](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
