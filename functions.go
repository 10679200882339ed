package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/lambda/build"
)

// rotationFile is the deployment package of the function that rotates secrets, in the directory of a stack.
const rotationFile = "rotation.zip"

// functions is the code of the Lambda functions. Those that no environment has are empty.
type functions struct{ rotation build.Function }

// buildFunctions builds the functions from the code in the working directory, if an environment has them.
func buildFunctions(ctx context.Context, environments []config.Environment) (functions, error) {
	for _, e := range environments {
		if e.Secrets != nil {
			rotation, err := build.Rotation(ctx, ".")
			return functions{rotation}, err
		}
	}
	return functions{}, nil
}

// write writes the deployment packages beside the Terraform configuration of the environments, after the synthesis.
func (f functions) write(outDir string, environments []config.Environment) error {
	for _, e := range environments {
		file := filepath.Join(outDir, "stacks", e.Name, rotationFile)
		if e.Secrets == nil {
			if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
				return err
			}
			continue
		}
		if err := os.WriteFile(file, f.rotation.Zip, 0o644); err != nil {
			return err
		}
	}
	return nil
}
