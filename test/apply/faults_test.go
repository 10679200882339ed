package apply

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// A service that is down longer than the provider tries again is one line, which names the service.
func TestServiceThatIsDownIsReported(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the applies")
	}
	t.Parallel()
	aws := startAWSWith(t, local.Options{Down: "sns:120"})
	dir := filepath.Join(t.TempDir(), "staging")
	harness.Must(t, 0, os.Mkdir(dir, 0o755))
	harness.Must(t, 0, os.WriteFile(filepath.Join(dir, "cdk.tf.json"), []byte(`{
		"terraform": {"required_providers": {"aws": {"source": "aws", "version": "~> 5.99"}}},
		"provider": {"aws": [{"region": "eu-west-1", "max_retries": 2}]},
		"resource": {"aws_sns_topic": {"alarms": {"name": "alarms"}}}
	}`), 0o644))
	stack, err := terraform.Open(dir, terraformOptions(t, aws.Env()))
	harness.Must(t, stack, err)
	_, _, err = stack.NewPlan(t.Context(), "plan", terraform.PlanOptions{})
	harness.Must(t, 0, err)
	err = stack.Apply(t.Context(), "plan")
	var failed *terraform.Error
	if !errors.As(err, &failed) {
		t.Fatalf("the apply does not fail: %v", err)
	}
	harness.Equal(t, "advice", failed.Error(), "apply staging: AWS does not answer SNS: CreateTopic (ServiceUnavailable): "+
		"wait, see https://health.aws.amazon.com/health/status, and run the command again")
	harness.Equal(t, "requests while SNS was down", introspect[map[string]int](t, aws, "/_local/faults"), map[string]int{"down": 2})
}
