// Command bench measures synthesis on this machine, in one run, alternating, so that its ratios mean something where
// the machine's other users make every single time doubtful. It asserts nothing.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// rounds is how often each program runs; the medians are printed.
const rounds = 11

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// contender is a program and the folder that it runs in.
type contender struct {
	name    string
	program string
	dir     string
	times   []time.Duration
}

func run() (err error) {
	scratch, err := os.MkdirTemp("", "starttech-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()

	all, vpc := filepath.Join(scratch, "all"), filepath.Join(scratch, "vpc")
	for program, source := range map[string]string{all: ".", vpc: "./test/bench/vpc"} {
		if out, err := exec.Command("go", "build", "-o", program, source).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", source, err, out)
		}
	}

	contenders := []*contender{
		{name: "one VPC", program: vpc},
		{name: "bootstrap, staging and production", program: all},
	}
	for _, count := range []int{1, 2, 10} {
		contenders = append(contenders, &contender{name: fmt.Sprintf("%d environments", count), program: all})
	}
	for i, c := range contenders {
		c.dir = filepath.Join(scratch, fmt.Sprint(i))
		if err := os.MkdirAll(filepath.Join(c.dir, "environments"), 0o755); err != nil {
			return err
		}
		switch i {
		case 0:
		case 1:
			err = errors.Join(copyAs(c.dir, "staging", "staging"), copyAs(c.dir, "production", "production"))
		default:
			for n := range []int{1, 2, 10}[i-2] {
				err = errors.Join(err, copyAs(c.dir, "production", fmt.Sprintf("copy-%d", n)))
			}
		}
		if err != nil {
			return err
		}
	}

	for round := range rounds + 1 { // the first warms the disk and does not count
		for _, c := range contenders {
			took, err := measure(c)
			if err != nil {
				return err
			}
			if round > 0 {
				c.times = append(c.times, took)
			}
		}
	}

	fmt.Printf("medians of %d runs, alternating\n\n", rounds)
	for _, c := range contenders {
		fmt.Printf("  %-36s %6.2f s\n", c.name, median(c).Seconds())
	}
	one, two, ten := median(contenders[2]), median(contenders[3]), median(contenders[4])
	fmt.Println()
	fmt.Printf("  everything, over one VPC             %6.2f    (bar: 1.30)\n", ratio(median(contenders[1]), median(contenders[0])))
	fmt.Printf("  one environment more                 %6.2f s  (bar: 0.25 s)\n", ((ten - one) / 9).Seconds())
	fmt.Printf("  the second environment               %6.2f s\n", (two - one).Seconds())
	fmt.Printf("  ten environments, over one           %6.2f    (bar: 2.00)\n", ratio(ten, one))
	return nil
}

// copyAs puts a shipped environment under another name.
func copyAs(dir, environment, name string) error {
	content, err := os.ReadFile(filepath.Join("environments", environment+".yaml"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "environments", name+".yaml"), content, 0o644)
}

func measure(c *contender) (time.Duration, error) {
	command := exec.Command(c.program)
	command.Dir = c.dir
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	begin := time.Now()
	if err := command.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", c.name, err, out.String())
	}
	return time.Since(begin), nil
}

func median(c *contender) time.Duration {
	sorted := slices.Sorted(slices.Values(c.times))
	return sorted[len(sorted)/2]
}

func ratio(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }
