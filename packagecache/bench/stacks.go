package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// readStacks reads the cdk.tf.json of every stack in an output directory, by the name of the stack.
func readStacks(output string) (map[string]json.RawMessage, error) {
	files, err := filepath.Glob(filepath.Join(output, "stacks", "*", "cdk.tf.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no stacks in %s", output)
	}
	stacks := map[string]json.RawMessage{}
	for _, file := range files {
		if stacks[filepath.Base(filepath.Dir(file))], err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	return stacks, nil
}

// writeStacks writes the stacks in an output directory into one file.
func writeStacks(output, file string) error {
	stacks, err := readStacks(output)
	if err != nil {
		return err
	}
	content, err := json.Marshal(stacks)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

// compare returns an error if the syntheses did not write the same resources: their times would not be comparable. Otherwise it
// returns the stacks whose JSON differs from that with the prepared cache, each after the name of the program.
func (b *bench) compare() (differing []string, err error) {
	want, err := readStacks(b.prepared.output)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.prepared.Name, err)
	}
	for _, s := range []synthesis{b.full, b.javascript, b.modules} {
		got, err := readStacks(s.output)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if err := compareCounts(got, want); err != nil {
			return nil, fmt.Errorf("%s: other resources than with the prepared cache: %w", s.Name, err)
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if !bytes.Equal(got[name], want[name]) {
				differing = append(differing, s.Name+": "+name)
			}
		}
	}
	return differing, nil
}

// compareCounts returns an error if the stacks do not have the same number of resources of each type.
func compareCounts(got, want map[string]json.RawMessage) error {
	gotCounts, err := countResources(got)
	if err != nil {
		return err
	}
	wantCounts, err := countResources(want)
	if err != nil {
		return err
	}
	types := slices.AppendSeq(slices.Collect(maps.Keys(gotCounts)), maps.Keys(wantCounts))
	slices.Sort(types)
	for _, name := range types {
		if gotCounts[name] != wantCounts[name] {
			return fmt.Errorf("%d %s, want %d", gotCounts[name], name, wantCounts[name])
		}
	}
	return nil
}

// countResources counts resources and data sources by type and stack, such as "aws_subnet resources in production".
func countResources(stacks map[string]json.RawMessage) (map[string]int, error) {
	counts := map[string]int{}
	for stack, content := range stacks {
		var body struct {
			Resource, Data map[string]map[string]json.RawMessage
		}
		if err := json.Unmarshal(content, &body); err != nil {
			return nil, fmt.Errorf("%s: %w", stack, err)
		}
		for name, resources := range body.Resource {
			counts[name+" resources in "+stack] = len(resources)
		}
		for name, sources := range body.Data {
			counts[name+" data sources in "+stack] = len(sources)
		}
	}
	return counts, nil
}
