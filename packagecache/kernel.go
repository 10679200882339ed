package packagecache

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// load has the program's own jsii runtime load the entries of a package cache and each module in them, and tells whether it
// took them: that it found as many types, and made no entry of its own. So a runtime that keeps its cache in another way is
// noticed here, and a module that needs what was left out.
func (p *program) load(ctx context.Context, root string, entries []*entry) error {
	type request map[string]any
	var requests []request
	for _, e := range entries {
		requests = append(requests, request{"api": "load", "name": e.name, "version": e.version, "tarball": e.tarball})
	}
	for _, e := range entries {
		for _, s := range e.statics {
			requests = append(requests, request{"api": "sget", "fqn": s.fqn, "property": s.property})
		}
	}
	var in, out, complaint bytes.Buffer
	encoder := json.NewEncoder(&in)
	for _, r := range append(requests, request{"exit": 0}) {
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}

	// Killed, it leaves its temporary folder where that goes with the rest.
	temporary := filepath.Join(root, "tmp")
	if err := os.Mkdir(temporary, 0o755); err != nil {
		return err
	}
	kernel := exec.CommandContext(ctx, cmp.Or(os.Getenv("JSII_NODE"), "node"), p.runtime)
	kernel.Env = append(os.Environ(), Variable+"="+root, "TMPDIR="+temporary, "JSII_RUNTIME_PACKAGE_CACHE=enabled", "NODE_NO_WARNINGS=1")
	kernel.Stdin, kernel.Stdout, kernel.Stderr = &in, &out, &complaint
	if err := kernel.Run(); err != nil {
		return failure(ctx, "the jsii runtime does not run", err, firstLine(complaint.String()))
	}

	decoder := json.NewDecoder(&out)
	var greeting struct{ Hello string }
	if err := decoder.Decode(&greeting); err != nil {
		return fmt.Errorf("the jsii runtime does not greet: %w", err)
	}
	for i, r := range requests {
		what := r["name"]
		if i >= len(entries) {
			what = r["fqn"]
		}
		var answer struct {
			OK    struct{ Types int }
			Error string
		}
		if err := decoder.Decode(&answer); err != nil {
			return fmt.Errorf("%s does not answer to load %s: %w", greeting.Hello, what, err)
		}
		if answer.Error != "" {
			return fmt.Errorf("%s cannot load %s: %s: this layout is not known", greeting.Hello, what, firstLine(answer.Error))
		}
		if i < len(entries) && answer.OK.Types != entries[i].types {
			return fmt.Errorf("%s finds %d types in %s where there are %d: its package cache is not known", greeting.Hello, answer.OK.Types, what, entries[i].types)
		}
	}
	if err := os.RemoveAll(temporary); err != nil {
		return err
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
