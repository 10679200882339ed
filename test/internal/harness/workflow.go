package harness

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/starttech/infrastructure/internal/github"
)

const (
	// ReleaseFile is the workflow that releases the application, relative to the checkout.
	ReleaseFile = ".github/workflows/release.yml"
	// ReleasePage is the page with the workflow for the application's repository, which calls ReleaseFile.
	ReleasePage = "docs/application-pipeline.md"
	// CredentialsAction is the action that assumes a role.
	CredentialsAction = "aws-actions/configure-aws-credentials"
)

// Workflow is the parts of a GitHub Actions workflow or composite action that the tests read.
type Workflow struct {
	Text string `yaml:"-"` // the whole file

	On          map[string]any
	Permissions any
	Defaults    struct{ Run struct{ Shell string } }
	Jobs        map[string]WorkflowJob
	Runs        struct{ Steps []WorkflowStep } // of a composite action
}

// WorkflowJob is a job of a workflow.
type WorkflowJob struct {
	Needs, Environment, Permissions, Concurrency any

	If, Uses string
	RunsOn   string `yaml:"runs-on"`
	Minutes  int    `yaml:"timeout-minutes"`
	Strategy struct{ Matrix struct{ Stack []string } }
	With     map[string]string
	Secrets  map[string]string
	Env      map[string]string
	Steps    []WorkflowStep
}

// WorkflowStep is a step of a job or of a composite action.
type WorkflowStep struct {
	Name, ID, If, Uses, Run string
	Minutes                 int `yaml:"timeout-minutes"`
	Env, With               map[string]string
}

// IsAction reports whether the step is an action, at any commit.
func (s WorkflowStep) IsAction(action string) bool { return strings.HasPrefix(s.Uses, action+"@") }

// ParseWorkflow parses the text of a workflow. Failures have the name.
func ParseWorkflow(t *testing.T, name, text string) Workflow {
	t.Helper()
	w := Workflow{Text: text}
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return w
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// ReleaseWorkflow is the workflow in ReleaseFile.
func ReleaseWorkflow(t *testing.T) Workflow {
	t.Helper()
	return ParseWorkflow(t, ReleaseFile, ReadFile(t, ReleaseFile))
}

// ReleaseCaller is the workflow on ReleasePage.
func ReleaseCaller(t *testing.T) Workflow {
	t.Helper()
	blocks := yamlBlock.FindAllStringSubmatch(ReadFile(t, ReleasePage), -1)
	if len(blocks) != 1 {
		t.Fatalf("%s has %d blocks of yaml, want one", ReleasePage, len(blocks))
	}
	return ParseWorkflow(t, ReleasePage, blocks[0][1])
}

// PublishedOutputs is the outputs of a stack that are published, by their expression in a workflow: "vars.AWS_REGION" is
// "aws_region".
func PublishedOutputs() map[string]string {
	outputs := map[string]string{}
	for _, published := range github.PublishedOutputs {
		name := "vars." + published.Name
		if published.Secret {
			name = "secrets." + published.Name
		}
		outputs[name] = published.Output
	}
	return outputs
}

// ReadFile is the text of a file, whose path is relative to the checkout.
func ReadFile(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Root, file))
	return string(Must(t, content, err))
}
