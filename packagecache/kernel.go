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

// verify loads the entries of the package cache root, and each module in them, in the jsii runtime of the program. It returns an
// error if a module needs a file that was left out, or if the runtime does not use the entries, because it keeps its package cache
// in another way: then it finds other numbers of types, or adds entries of its own.
func (p *program) verify(ctx context.Context, root string, entries []*entry) error {
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
	var stdin, stdout, stderr bytes.Buffer
	encoder := json.NewEncoder(&stdin)
	for _, r := range append(requests, request{"exit": 0}) {
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}

	// A runtime that is killed leaves its temporary files behind. Here they are removed with root.
	temporary := filepath.Join(root, "tmp")
	if err := os.Mkdir(temporary, 0o755); err != nil {
		return err
	}
	kernel := exec.CommandContext(ctx, cmp.Or(os.Getenv("JSII_NODE"), "node"), p.runtime)
	kernel.Env = append(os.Environ(), Variable+"="+root, "TMPDIR="+temporary, "JSII_RUNTIME_PACKAGE_CACHE=enabled", "NODE_NO_WARNINGS=1")
	kernel.Stdin, kernel.Stdout, kernel.Stderr = &stdin, &stdout, &stderr
	if err := kernel.Run(); err != nil {
		return commandError(ctx, "run the jsii runtime", err, firstLine(stderr.String()))
	}

	decoder := json.NewDecoder(&stdout)
	var greeting struct{ Hello string }
	if err := decoder.Decode(&greeting); err != nil {
		return fmt.Errorf("read the greeting of the jsii runtime: %w", err)
	}
	for i, r := range requests {
		name := r["name"]
		if i >= len(entries) {
			name = r["fqn"]
		}
		var response struct {
			OK    struct{ Types int }
			Error string
		}
		if err := decoder.Decode(&response); err != nil {
			return fmt.Errorf("read the response of %s to loading %s: %w", greeting.Hello, name, err)
		}
		if response.Error != "" {
			return fmt.Errorf("%s cannot load %s: %s: unsupported layout", greeting.Hello, name, firstLine(response.Error))
		}
		if i < len(entries) && response.OK.Types != entries[i].types {
			return fmt.Errorf("%s has %d types of %s, want %d: unsupported package cache", greeting.Hello, response.OK.Types, name, entries[i].types)
		}
	}
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	complete := 0
	if err := filepath.WalkDir(root, func(_ string, file fs.DirEntry, err error) error {
		if err == nil && file.Name() == markerFile {
			complete++
		}
		return err
	}); err != nil {
		return err
	}
	if complete != len(entries) {
		return fmt.Errorf("%s has %d entries in its package cache, want %d: unsupported package cache", greeting.Hello, complete, len(entries))
	}
	return nil
}
