package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/examples/application/frontend"
	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/internal/release"
	"github.com/starttech/infrastructure/internal/tools"
	"github.com/starttech/infrastructure/local"
)

// The applications that up can release.
const (
	exampleApplication = "example"
	noApplication      = "none"
)

// application is what up releases to the local AWS.
type application struct {
	name  string // exampleApplication or noApplication
	image string // instead of the example: a file of docker save, or an image of a registry
	site  string // instead of the example: the directory of a built frontend

	loaded v1.Image // check loads it from image
}

func (a *application) addFlags(command *cobra.Command) {
	command.Flags().StringVar(&a.name, "app", exampleApplication, "application to release: "+exampleApplication+" or "+noApplication)
	command.Flags().StringVar(&a.image, "image", "", "backend to release instead: a file of docker save, or an image of a registry")
	command.Flags().StringVar(&a.site, "site", "", "frontend to release instead: the directory of index.html")
}

// check checks the flags and loads the image, before anything is started.
func (a *application) check(ctx context.Context) (err error) {
	own := a.image != "" || a.site != ""
	switch {
	case a.name != exampleApplication && a.name != noApplication:
		return fmt.Errorf("app: %q is not an application; allowed: %s, %s", a.name, exampleApplication, noApplication)
	case a.name == noApplication && own:
		return errors.New("app: none releases nothing: leave out the image and the site, or the app")
	case a.site != "":
		if _, err := os.Stat(filepath.Join(a.site, "index.html")); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("site: %q is not the directory of a built frontend: it has no index.html", a.site)
		} else if err != nil {
			return fmt.Errorf("site: %w", err)
		}
	}
	if a.image != "" {
		a.loaded, err = release.LoadImage(ctx, a.image)
	}
	return err
}

// jwtSecret is the variable without which the example does not start.
const jwtSecret = "JWT_SECRET_KEY"

// createVariables creates what the example needs to start, and reports whether it has created the parameter jwtSecret. With the block
// secrets, that variable is generated, and the operators' secret needs a value.
func createVariables(ctx context.Context, e *operate.Environment) (hasParameter bool, err error) {
	if e.Secrets != nil {
		return false, e.CreateSecretValue(ctx)
	}
	return e.CreateParameter(ctx, jwtSecret, rand.Text())
}

// builtApplication is an application that can be released. A part that is not released is missing.
type builtApplication struct {
	image v1.Image
	site  string
	err   error
}

// build builds the example application for a platform while the environment is applied, or returns the caller's. The channel gets one
// value.
func (a *application) build(ctx context.Context, p *project, platform v1.Platform) <-chan builtApplication {
	built := make(chan builtApplication, 1)
	go func() {
		var result builtApplication
		switch {
		case a.name == noApplication:
		case a.image != "" || a.site != "":
			result.site, result.image = a.site, a.loaded
		default:
			result.site = p.localPath("aws", "frontend")
			if result.err = frontend.Build(result.site); result.err == nil {
				result.image, result.err = release.BuildImage(ctx, p.root, "./examples/application/backend", platform)
			}
		}
		built <- result
	}()
	return built
}

// instanceProgram is the path of a program that runs on the instances of the local AWS.
func (p *project) instanceProgram(name string) string {
	return filepath.Join(p.root, tools.Binaries, "local", name)
}

// buildInstancePrograms builds what the local AWS runs: instances and Redis.
func (p *project) buildInstancePrograms(ctx context.Context) error {
	command := exec.CommandContext(ctx, "go", "build", "-o", p.instanceProgram("")+string(filepath.Separator), "./local/instance", "./local/redis")
	command.Dir = p.root
	if err := os.MkdirAll(p.instanceProgram(""), 0o755); err != nil {
		return err
	}
	return runQuietly(command)
}

// release releases an application to an environment, of the local AWS unless aws is nil, and reports whether it has a site.
func (p *project) release(ctx context.Context, s steps, environment config.Environment, outputs map[string]*tfjson.StateOutput,
	aws *local.AWS, built <-chan builtApplication,
) (hasSite bool, err error) {
	e, err := operate.OpenWith(ctx, environment, operateOutputs(outputs))
	if err != nil {
		return false, err
	}
	var missing error
	for _, name := range []string{"auto_scaling_group_name", "distribution_id", "ecr_repository_url", "frontend_bucket", "parameter_path", "release_parameter"} {
		_, err := e.Output(name)
		missing = errors.Join(missing, err)
	}
	if missing != nil {
		return false, missing
	}
	registry := ""
	if aws != nil {
		registry = aws.Endpoint()
	}

	var app builtApplication
	if err := s.do(ctx, "Build the application", func(*status) error { app = <-built; return app.err }); err != nil {
		return false, err
	}
	if app.image != nil {
		var rolledBack *operate.RolledBackError
		if err := s.do(ctx, "Release the backend", func(current *status) error {
			err := releaseBackend(ctx, e, registry, app.image, current)
			errors.As(err, &rolledBack)
			return err
		}); err != nil {
			if rolledBack != nil && ctx.Err() != nil { // the error of an interrupted step has no reason
				err = fmt.Errorf("%w; %s", err, rolledBack.Result)
			}
			return false, err
		}
	}
	if app.site == "" {
		return false, nil
	}
	return true, s.do(ctx, "Publish the frontend", func(current *status) error {
		files, err := e.PlanFrontend(ctx, app.site)
		if err != nil {
			return err
		}
		return e.ReleaseFrontend(ctx, files, "", current.set)
	})
}

// operateOutputs is outputs in the form of package operate.
func operateOutputs(outputs map[string]*tfjson.StateOutput) operate.Outputs {
	values := operate.Outputs{}
	for name, output := range outputs {
		values[name] = output.Value
	}
	return values
}

// releaseLocally releases an application to an environment of the local AWS, and prints the URL of the site.
func (p *project) releaseLocally(ctx context.Context, s steps, environment config.Environment, outputs map[string]*tfjson.StateOutput, built <-chan builtApplication) error {
	aws, err := local.Load(p.localPath("aws"))
	if err != nil {
		return err
	}
	public, err := stringOutput(environment.Name, outputs, "site_url")
	if err != nil {
		return err
	}
	site := aws.SiteURL(public)
	hasSite, err := p.release(ctx, s, environment, outputs, aws, built)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("%w\nThe instances' logs: .local/aws/instances/*/console.log", err)
	}

	fmt.Printf("\n%s is deployed on the local AWS:\n\n", environment.Name)
	printOutputs(os.Stdout, outputs)
	fmt.Printf("\nOpen  %s\n", site)
	if !hasSite {
		fmt.Println("      It responds with 403 until the bucket has an index.html.")
	}
	fmt.Printf(`
Next
  look into it  eval "$(make env)", then any AWS client; the instances' logs: .local/aws/instances/*/console.log
  change it     edit environments/%s.yaml and run make up again
  test it       make test
  remove it     make down
`, environment.Name)
	return nil
}

// releaseBackend releases an image, unless the instances run it already.
func releaseBackend(ctx context.Context, e *operate.Environment, endpoint string, image v1.Image, current *status) error {
	tag, err := release.Tag(image)
	if err != nil {
		return err
	}
	if released, err := e.IsReleased(ctx, tag, current.set); err != nil || released {
		return err
	}
	repository, err := e.Output("ecr_repository_url")
	if err != nil {
		return err
	}
	password, err := e.RegistryPassword(ctx)
	if err != nil {
		return err
	}
	if err := release.Push(ctx, repository, password, endpoint, image, tag); err != nil {
		return err
	}
	if _, err := createVariables(ctx, e); err != nil {
		return err
	}
	return e.ReleaseBackend(ctx, tag, current.set)
}
