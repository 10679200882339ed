package packagecache

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// load has the program's own jsii runtime load the entries of a package cache, and tells whether it took them: that it
// found as many types, and made no entry of its own. So a runtime that keeps its cache in another way is noticed here.
func (p *program) load(ctx context.Context, root string, entries []*entry) error {
	var requests, answers, complaint bytes.Buffer
	encoder := json.NewEncoder(&requests)
	for _, e := range entries {
		if err := encoder.Encode(map[string]string{"api": "load", "name": e.name, "version": e.version, "tarball": e.tarball}); err != nil {
			return err
		}
	}
	if err := encoder.Encode(map[string]int{"exit": 0}); err != nil {
		return err
	}

	kernel := exec.CommandContext(ctx, "node", p.runtime)
	kernel.Env = append(os.Environ(), Variable+"="+root, "JSII_RUNTIME_PACKAGE_CACHE=enabled", "NODE_NO_WARNINGS=1")
	kernel.Stdin, kernel.Stdout, kernel.Stderr = &requests, &answers, &complaint
	if err := kernel.Run(); err != nil {
		return fmt.Errorf("the jsii runtime does not run: %w: %s", err, firstLine(complaint.String()))
	}

	decoder := json.NewDecoder(&answers)
	var greeting struct{ Hello string }
	if err := decoder.Decode(&greeting); err != nil {
		return fmt.Errorf("the jsii runtime says nothing: %w", err)
	}
	for _, e := range entries {
		var answer struct {
			OK    struct{ Types int }
			Error string
		}
		if err := decoder.Decode(&answer); err != nil {
			return fmt.Errorf("%s does not answer to load %s: %w", greeting.Hello, e.name, err)
		}
		if answer.Error != "" {
			return fmt.Errorf("%s cannot load %s: %s", greeting.Hello, e.name, firstLine(answer.Error))
		}
		if answer.OK.Types != e.types {
			return fmt.Errorf("%s finds %d types in %s where there are %d: its package cache is not known", greeting.Hello, answer.OK.Types, e.name, e.types)
		}
	}
	finished := 0
	if err := filepath.WalkDir(root, func(_ string, file fs.DirEntry, err error) error {
		if err == nil && file.Name() == marker {
			finished++
		}
		return err
	}); err != nil {
		return err
	}
	if finished != len(entries) {
		return fmt.Errorf("%s made %d entries where there were %d: its package cache is not known", greeting.Hello, finished, len(entries))
	}
	return nil
}
