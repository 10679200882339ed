package test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/starttech/infrastructure/internal/github"
)

// releasePage is the page with the workflow for the application's repository.
const releasePage = "docs/application-pipeline.md"

// releaseWorkflow is the workflow, read. Its jobs have the shape of this project's own, but for the environment.
type releaseWorkflow struct {
	page, text string // the whole page, and the workflow in it

	On          map[string]any
	Permissions any
	Defaults    struct{ Run struct{ Shell string } }
	Jobs        map[string]releaseJob
}

type releaseJob struct {
	Needs, If   string
	Environment struct{ Name, URL string }
	Permissions any
	Concurrency map[string]any
	Minutes     int `yaml:"timeout-minutes"`
	Env         map[string]string
	Steps       []workflowStep
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// readPage takes the one block of YAML out of the page.
func readPage(t *testing.T) releaseWorkflow {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, releasePage))
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(content), -1)
	if len(blocks) != 1 {
		t.Fatalf("%s has %d blocks of yaml, want one", releasePage, len(blocks))
	}
	return parseRelease(t, string(content), blocks[0][1])
}

func parseRelease(t *testing.T, page, text string) releaseWorkflow {
	t.Helper()
	w := releaseWorkflow{page: page, text: text}
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		t.Fatalf("%s: %v", releasePage, err)
	}
	return w
}

// publishedOutputs is the outputs that are published, by the name that an expression of a workflow gives them:
// "vars.AWS_REGION" is "aws_region".
func publishedOutputs() map[string]string {
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

// workflowStep is a step of a job.
type workflowStep struct {
	Name, ID, If, Uses, Run string
	Env, With               map[string]string
}

const credentialsAction = "aws-actions/configure-aws-credentials"
