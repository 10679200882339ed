package terraform

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// localBackend overrides the S3 backend of a stack, whose bucket does not exist yet
// (https://developer.hashicorp.com/terraform/language/files/override).
const localBackend = `{"terraform": {"backend": {"local": {}}}}`

// Bootstrap creates the state bucket and the lock table with the stack in dir. The state of that stack belongs into the bucket
// that it creates, so Bootstrap applies with a local state in the directory scratch, and then moves the state. If the bucket
// exists, it does nothing and returns false. After an interruption, the next call with the same scratch continues.
//
// It calls apply with the stack and the plan file, to approve and apply it. An error of apply ends it, except the cause of a cancelled ctx:
// the plan is applied, so Bootstrap completes, and returns that error.
func Bootstrap(ctx context.Context, dir, scratch string, options Options, apply func(stack *Stack, plan string) error) (done bool, err error) {
	// Terraform empties the local state when it has moved it.
	local, err := os.Stat(filepath.Join(scratch, "terraform.tfstate"))
	if err != nil || local.Size() == 0 {
		stack, err := Open(dir, options)
		if err != nil {
			return false, err
		}
		err = stack.Init(ctx)
		if !errors.Is(err, ErrNoStateBucket) {
			return false, err
		}
	}

	// A separate directory, so that the override is never left in the stack's directory.
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return false, err
	}
	for _, file := range []string{"cdk.tf.json", LockFile} {
		content, err := os.ReadFile(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) && file == LockFile {
			continue
		} else if err != nil {
			return false, err
		}
		if err := os.WriteFile(filepath.Join(scratch, file), content, 0o600); err != nil {
			return false, err
		}
	}
	override := filepath.Join(scratch, "backend_override.tf.json")
	if err := os.WriteFile(override, []byte(localBackend), 0o600); err != nil {
		return false, err
	}
	options.DataDir = filepath.Join(scratch, ".terraform")
	stack, err := Open(scratch, options)
	if err != nil {
		return false, err
	}
	stack.Name = filepath.Base(dir)
	if err := stack.Init(ctx); err != nil {
		return false, err
	}
	if err := stack.UntaintProtected(ctx); err != nil {
		return false, err
	}
	plan := filepath.Join(scratch, "plan")
	if _, err := stack.Plan(ctx, plan); err != nil {
		return false, err
	}
	interrupted := apply(stack, plan)
	if interrupted != nil && (ctx.Err() == nil || !errors.Is(interrupted, context.Cause(ctx))) {
		return false, interrupted
	}

	if err := os.Remove(override); err != nil {
		return false, err
	}
	e := events{log: stack.options.Output}
	if err := e.end(stack.runTerraform(ctx, &e, 0, "init", "-force-copy", "-input=false", "-no-color"), nil); err != nil {
		return false, stack.explain("move the state of", err)
	}
	return true, cmp.Or(os.RemoveAll(scratch), interrupted)
}
