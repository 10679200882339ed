package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/pflag"
)

// engine is Docker on an instance. Each docker command does its work itself.
type engine struct {
	*config
}

// dockerCommands are the supported commands: https://docs.docker.com/reference/cli/docker/
var dockerCommands = map[string]func(e engine, flags *pflag.FlagSet, arguments []string) error{
	"inspect": engine.inspect,
	"login":   engine.login,
	"pull":    engine.pullImage,
	"rm":      engine.remove,
	"run":     engine.run,
	"stop":    engine.stop,
}

// docker is the stand-in for docker. Its own failures have the exit status 125, like those of docker run
// (https://docs.docker.com/reference/cli/docker/container/run/#exit-status).
func docker(arguments []string) error {
	c, err := ownConfig()
	if err != nil {
		return err
	}
	if len(arguments) == 0 || dockerCommands[arguments[0]] == nil {
		return exit{125, fmt.Errorf("%q: only docker inspect, login, pull, rm, run and stop are supported on the local AWS",
			strings.Join(arguments, " "))}
	}
	if r, err := callInit(c, "is-active", "docker"); err != nil || r.Status != 0 {
		return exit{125, errors.New("cannot connect to the Docker daemon. Is the docker daemon running?")}
	}
	flags := pflag.NewFlagSet(arguments[0], pflag.ContinueOnError)
	flags.SetInterspersed(arguments[0] != "run")
	flags.Usage = func() {}
	err = dockerCommands[arguments[0]](engine{c}, flags, arguments[1:])
	if status := (exit{}); err != nil && !errors.As(err, &status) {
		return exit{125, fmt.Errorf("%s: %w", arguments[0], err)}
	}
	return err
}

// dockerd is the stand-in for Docker's daemon. It does nothing: if it runs, docker works.
func dockerd([]string) error {
	time.Sleep(math.MaxInt64)
	return nil
}

// parse parses the arguments of a command and returns those that are not flags: one, or at least one if isMany.
func parse(flags *pflag.FlagSet, arguments []string, isMany bool) ([]string, error) {
	if err := flags.Parse(arguments); err != nil {
		return nil, fmt.Errorf("%w; not supported on the local AWS", err)
	}
	if n := flags.NArg(); n < 1 || n > 1 && !isMany {
		return nil, fmt.Errorf("%d arguments, want 1", n)
	}
	return flags.Args(), nil
}

func (e engine) login(flags *pflag.FlagSet, arguments []string) error {
	user := flags.StringP("username", "u", "", "")
	isStdin := flags.Bool("password-stdin", false, "")
	arguments, err := parse(flags, arguments, false)
	if err != nil {
		return err
	}
	if *user == "" || !*isStdin {
		return errors.New("--username and --password-stdin are required on the local AWS")
	}
	return e.logIn(arguments[0], *user, os.Stdin)
}

// parseReference parses the arguments of a command that has one argument, the name of an image.
func parseReference(flags *pflag.FlagSet, arguments []string) (name.Reference, error) {
	arguments, err := parse(flags, arguments, false)
	if err != nil {
		return nil, err
	}
	return name.ParseReference(arguments[0])
}

func (e engine) pullImage(flags *pflag.FlagSet, arguments []string) error {
	reference, err := parseReference(flags, arguments)
	if err != nil {
		return err
	}
	image, err := e.pull(reference)
	if err != nil {
		return err
	}
	digest, err := image.Digest()
	fmt.Printf("Digest: %s\n%s\n", digest, reference)
	return err
}

// inspect prints a template of an image. Only the field Config exists.
func (e engine) inspect(flags *pflag.FlagSet, arguments []string) error {
	format := flags.StringP("format", "f", "", "")
	reference, err := parseReference(flags, arguments)
	if err != nil {
		return err
	}
	image, err := e.local(reference)
	if err != nil {
		return err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	if *format == "" {
		return errors.New("--format is required on the local AWS")
	}
	parsed, err := template.New("").Parse(*format + "\n")
	if err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	return parsed.Execute(os.Stdout, map[string]any{"Config": file.Config})
}

func (e engine) remove(flags *pflag.FlagSet, arguments []string) error {
	isForced := flags.BoolP("force", "f", false, "")
	arguments, err := parse(flags, arguments, true)
	if err != nil {
		return err
	}
	if !*isForced {
		return errors.New("--force is required on the local AWS: a container does not exist after its exit")
	}
	return e.endAll(arguments, syscall.SIGKILL)
}

func (e engine) stop(flags *pflag.FlagSet, arguments []string) error {
	arguments, err := parse(flags, arguments, true)
	if err != nil {
		return err
	}
	return e.endAll(arguments, syscall.SIGTERM)
}

func (e engine) endAll(names []string, signal syscall.Signal) (err error) {
	for _, name := range names {
		err = errors.Join(err, e.end(name, signal))
	}
	return err
}
