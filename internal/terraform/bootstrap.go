package terraform

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// localBackend takes precedence over the S3 backend of a stack, whose bucket does not exist yet
// (https://developer.hashicorp.com/terraform/language/files/override).
const localBackend = `{"terraform": {"backend": {"local": {}}}}`

// Bootstrap makes the state bucket and the lock table by the stack in dir, whose own state belongs into that bucket:
// it applies with a local state in the folder scratch, and moves the state. Where the bucket is there already, it
// does nothing and answers false. A run that was cut short is continued by the next one with the same scratch. Before
// it applies its plan it asks approve, where that is not nil; an error of approve ends it.
func Bootstrap(ctx context.Context, dir, scratch string, options Options, approve func() error) (done bool, err error) {
	// Terraform empties the local state when it has moved it.
	begun, err := os.Stat(filepath.Join(scratch, "terraform.tfstate"))
	if err != nil || begun.Size() == 0 {
		stack, err := Open(dir, options)
		if err != nil {
			return false, err
		}
		err = stack.Init(ctx)
		if !errors.Is(err, ErrNoStateBucket) {
			return false, err
		}
	}

	// A folder of its own, so that no override is ever left beside the stack.
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
	if err := stack.KeepProtected(ctx); err != nil {
		return false, err
	}
	plan := filepath.Join(scratch, "plan")
	if _, err := stack.Plan(ctx, plan); err != nil {
		return false, err
	}
	if approve != nil {
		if err := approve(); err != nil {
			return false, err
		}
	}
	// Not interrupted: what was being made would be there, and unknown to the state. It takes a minute.
	if err := stack.Apply(context.WithoutCancel(ctx), plan); err != nil {
		return false, err
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}

	if err := os.Remove(override); err != nil {
		return false, err
	}
	if err := stack.terraform.Init(ctx, tfexec.ForceCopy(true)); err != nil {
		return false, explain("move the state of "+stack.Name, err)
	}
	return true, os.RemoveAll(scratch)
}
