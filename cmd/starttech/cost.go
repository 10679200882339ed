package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/cost"
	"github.com/starttech/infrastructure/internal/synth"
)

func newCostCommand(p *project) *cobra.Command {
	var stack, format string
	command := &cobra.Command{
		Use:   "cost",
		Short: "Print what a stack costs in a month, by component",
		Long: `Print what a stack costs in a month, by component: what costs the same every month, on-demand and reserved for 1 and 3 years, and
the prices of what costs by use.

If the environment's file differs from the committed one, the difference follows: before, after, by component.

The prices are those of ` + cost.Region + `, with their dates and sources in internal/cost/prices.go. The command needs neither credentials nor a
network.`,
		Example: "  starttech cost --env staging\n  starttech cost --env staging --output json",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			return p.cost(command.Context(), stack, format)
		},
	}
	addFormatFlag(command, &format)
	addStackFlag(command, &stack, defaultEnvironment)
	return command
}

// cost prints what a stack costs.
func (p *project) cost(ctx context.Context, stack, format string) error {
	environment, err := p.environment(stack)
	if err != nil {
		return err
	}
	if err := cost.CheckRegion(environment.Region); err != nil { // before anything is synthesized
		return fmt.Errorf("cost %s: %w", stack, err)
	}
	s := newSteps(os.Stderr, "")
	if err := p.synthesizeIfStale(ctx, s); err != nil {
		return err
	}
	now, err := readEstimate(p.root, stack)
	if err != nil {
		return err
	}
	before, err := p.committedEstimate(ctx, s, stack)
	if err != nil {
		return err
	}
	if format == formatJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			Stack    string         `json:"stack"`
			Region   string         `json:"region"`
			Currency string         `json:"currency"`
			Cost     cost.Estimate  `json:"cost"`
			Before   *cost.Estimate `json:"before,omitempty"` // with the committed environment files, if they are different
		}{stack, environment.Region, "USD", now, before})
	}
	text := fmt.Sprintf("Monthly cost of %s in %s\n\n%s", stack, environment.Region, now.Text())
	if before != nil {
		text += "\nDifference from the committed environment files, on-demand:\n\n" + cost.CompareText(*before, now)
	}
	_, err = fmt.Print(text)
	return err
}

// readEstimate estimates what a stack in dir/cdktf.out costs.
func readEstimate(dir, stack string) (cost.Estimate, error) {
	file := filepath.Join(dir, "cdktf.out", "stacks", stack, "cdk.tf.json")
	content, err := os.ReadFile(file)
	if err != nil {
		return cost.Estimate{}, err
	}
	region, resources, err := cost.FromStack(content)
	if err == nil {
		err = cost.CheckRegion(region)
	}
	if err != nil {
		return cost.Estimate{}, fmt.Errorf("%s: %w", file, err)
	}
	return cost.Of(resources), nil
}

// committedEstimate estimates what a stack costs with the environment files as they are committed; nil if there is nothing to compare:
// without git, if the stack's file is not committed or is unchanged, or if the committed files have no such stack. The stack is synthesized
// by the present code.
func (p *project) committedEstimate(ctx context.Context, s steps, stack string) (*cost.Estimate, error) {
	committed := p.committedFiles(ctx)
	if !p.changesFile(stack, committed) {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "starttech-cost-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(filepath.Join(dir, "environments"), 0o755); err != nil {
		return nil, err
	}
	for name, content := range committed {
		if err := os.WriteFile(filepath.Join(dir, "environments", name), content, 0o644); err != nil {
			return nil, err
		}
	}
	var before *cost.Estimate
	err = s.do(ctx, "Synthesize the committed environment files", func(*status) error {
		if err := synth.RunIn(ctx, p.root, dir); err != nil {
			return err
		}
		estimate, err := readEstimate(dir, stack)
		before = &estimate
		return err
	})
	if ctx.Err() != nil {
		return nil, err
	} else if err != nil { // invalid, or of another region
		fmt.Fprintf(os.Stderr, "warning: no difference is shown: %v\n", err)
		return nil, nil
	}
	return before, nil
}

// committedFiles returns the content of the environment files in the last commit, by name; none without git or a commit.
func (p *project) committedFiles(ctx context.Context) map[string][]byte {
	git := func(arguments ...string) ([]byte, error) {
		command := exec.CommandContext(ctx, "git", arguments...)
		command.Dir = p.root
		return command.Output()
	}
	list, err := git("ls-tree", "-z", "--name-only", "HEAD", "environments/")
	if err != nil {
		return nil
	}
	files := map[string][]byte{}
	for path := range strings.SplitSeq(strings.Trim(string(list), "\x00"), "\x00") {
		if content, err := git("show", "HEAD:./"+path); err == nil {
			files[filepath.Base(path)] = content
		}
	}
	return files
}

// changesFile reports whether the file of an environment is committed and different now. Of a bootstrap stack, it is any file.
func (p *project) changesFile(stack string, committed map[string][]byte) bool {
	for name, content := range committed {
		if !isBootstrap(stack) && strings.TrimSuffix(name, filepath.Ext(name)) != stack {
			continue
		}
		if now, err := os.ReadFile(filepath.Join(p.root, "environments", name)); err != nil || !bytes.Equal(now, content) {
			return true
		}
	}
	return false
}
