package test

import (
	"testing"

	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
)

// startAWS starts a local AWS for one test.
func startAWS(t *testing.T) *local.AWS {
	t.Helper()
	aws, err := local.Start(t.Context(), local.Options{Root: root, Dir: t.TempDir(), Account: "123456789012", Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := aws.Stop(); err != nil {
			t.Error(err)
		}
	})
	return aws
}

// approved approves every plan.
func approved(*terraform.Stack, string) error { return nil }

func optionsFor(t *testing.T, aws *local.AWS) terraform.Options {
	t.Helper()
	binary, err := terraform.Find(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return terraform.Options{Binary: binary, Env: aws.Env()}
}
