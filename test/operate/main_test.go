// Package operate tests the operators' commands' functions on a local AWS without Terraform: the resources that they need are made by hand.
package operate

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestMain(m *testing.M) {
	harness.LowerPriority()
	harness.Main(m)
}

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// start starts a local AWS, and points this process's AWS clients to it.
func start(t *testing.T, options local.Options) *local.AWS {
	t.Helper()
	options.Root, options.Dir, options.Account, options.Region = harness.Root, t.TempDir(), account, region
	emulator, err := local.Start(t.Context(), options)
	harness.Must(t, emulator, err)
	t.Cleanup(func() {
		if err := emulator.Stop(); err != nil {
			t.Error(err)
		}
	})
	for name, value := range emulator.Env() {
		t.Setenv(name, value)
		if value == "" {
			os.Unsetenv(name)
		}
	}
	return emulator
}

// open opens an environment with outputs.
func open(t *testing.T, outputs operate.Outputs) *operate.Environment {
	t.Helper()
	environment := config.Default()
	environment.Name, environment.Account = "staging", account
	e, err := operate.OpenWith(t.Context(), environment, outputs)
	return harness.Must(t, e, err)
}

func settings(t *testing.T) aws.Config {
	t.Helper()
	settings, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithRegion(region))
	return harness.Must(t, settings, err)
}

func s3Client(t *testing.T) *s3.Client {
	t.Helper()
	return s3.NewFromConfig(settings(t), func(options *s3.Options) { options.UsePathStyle = true })
}

// wait waits, so that what follows has a later time on AWS, whose times have seconds.
func wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(1100 * time.Millisecond):
	}
}
