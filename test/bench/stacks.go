package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// readStacks is the cdk.tf.json of every stack that a contender wrote, by the stack's name.
func readStacks(dir string) (map[string]json.RawMessage, error) {
	files, err := filepath.Glob(filepath.Join(dir, "cdktf.out", "stacks", "*", "cdk.tf.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("it wrote no stacks")
	}
	stacks := map[string]json.RawMessage{}
	for _, file := range files {
		if stacks[filepath.Base(filepath.Dir(file))], err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	return stacks, nil
}

// writeStacks writes into one file what a contender synthesized.
func writeStacks(dir, file string) error {
	stacks, err := readStacks(dir)
	if err != nil {
		return err
	}
	content, err := json.Marshal(stacks)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

// compare fails where the contenders that build every stack have not built the same resources: their times would be
// nothing to compare. It notes where anything else in their JSON differs.
func (all *contenders) compare() error {
	want, err := readStacks(all.prepared.dir)
	if err != nil {
		return fmt.Errorf("%s: %w", all.prepared.name, err)
	}
	for _, c := range []*contender{all.full, all.javascript, all.modules} {
		have, err := readStacks(c.dir)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if err := sameCounts(have, want); err != nil {
			return fmt.Errorf("%s: not the resources of the Go program on the prepared cache: %w", c.name, err)
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if !bytes.Equal(have[name], want[name]) {
				all.differing = append(all.differing, c.name+": "+name)
			}
		}
	}
	return nil
}

// sameCounts fails where stacks have not the same number of resources of each type.
func sameCounts(have, want map[string]json.RawMessage) error {
	counted, err := counts(have)
	if err != nil {
		return err
	}
	expected, err := counts(want)
	if err != nil {
		return err
	}
	kinds := slices.AppendSeq(slices.Collect(maps.Keys(counted)), maps.Keys(expected))
	slices.Sort(kinds)
	for _, kind := range kinds {
		if counted[kind] != expected[kind] {
			return fmt.Errorf("%d %s, want %d", counted[kind], kind, expected[kind])
		}
	}
	return nil
}

// counts is how many resources and data sources there are of each type, for example of
// "aws_subnet resources in production".
func counts(stacks map[string]json.RawMessage) (map[string]int, error) {
	of := map[string]int{}
	for stack, content := range stacks {
		var body struct {
			Resource, Data map[string]map[string]json.RawMessage
		}
		if err := json.Unmarshal(content, &body); err != nil {
			return nil, fmt.Errorf("%s: %w", stack, err)
		}
		for name, resources := range body.Resource {
			of[name+" resources in "+stack] = len(resources)
		}
		for name, sources := range body.Data {
			of[name+" data sources in "+stack] = len(sources)
		}
	}
	return of, nil
}
