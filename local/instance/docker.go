package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/template"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/pflag"
)

// engine is Docker on an instance. Each docker command does its work itself. dockerd only decides whether there is a daemon.
type engine struct {
	*config
}

// dockerCommands are the supported commands: https://docs.docker.com/reference/cli/docker/
var dockerCommands = map[string]func(e engine, flags *pflag.FlagSet, arguments []string) error{
	"images":  engine.listImages,
	"inspect": engine.inspect,
	"login":   engine.login,
	"ps":      engine.listContainers,
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
		return exit{125, fmt.Errorf("%q: the local AWS supports only docker images, inspect, login, ps, pull, rm, run and stop",
			strings.Join(arguments, " "))}
	}
	if _, err := os.Stat(c.path(daemonFile)); err != nil && arguments[0] != "login" {
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

// parse parses the arguments of a command and returns those that are not flags. There must be at least minimum and at most maximum.
func parse(flags *pflag.FlagSet, arguments []string, minimum, maximum int) ([]string, error) {
	if err := flags.Parse(arguments); err != nil {
		return nil, fmt.Errorf("%w on the local AWS", err)
	}
	if n := flags.NArg(); n < minimum || n > maximum {
		return nil, fmt.Errorf("%d arguments, want %d", n, minimum)
	}
	return flags.Args(), nil
}

const many = 1 << 16

// daemonFile exists while dockerd runs.
const daemonFile = "run/docker.pid"

// dockerd is the stand-in for Docker's daemon. When it stops, it stops the containers.
func dockerd([]string) error {
	c, err := ownConfig()
	if err != nil {
		return err
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	if err := os.WriteFile(c.path(daemonFile), []byte(fmt.Sprintln(os.Getpid())), 0o644); err != nil {
		return err
	}
	if socket := os.Getenv("NOTIFY_SOCKET"); socket != "" {
		connection, err := net.Dial("unixgram", socket)
		if err != nil {
			return err
		}
		if _, err := connection.Write([]byte("READY=1")); err != nil {
			return err
		}
		connection.Close()
	}
	<-end
	e := engine{c}
	for _, name := range e.containers() {
		err = errors.Join(err, e.end(name, syscall.SIGTERM))
	}
	return errors.Join(err, os.Remove(c.path(daemonFile)))
}

func (e engine) login(flags *pflag.FlagSet, arguments []string) error {
	user := flags.StringP("username", "u", "", "")
	isStdin := flags.Bool("password-stdin", false, "")
	arguments, err := parse(flags, arguments, 1, 1)
	if err != nil {
		return err
	}
	if *user == "" || !*isStdin {
		return errors.New("use --username and --password-stdin on the local AWS")
	}
	return e.logIn(arguments[0], *user, os.Stdin)
}

func (e engine) pullImage(flags *pflag.FlagSet, arguments []string) error {
	isQuiet := flags.BoolP("quiet", "q", false, "")
	arguments, err := parse(flags, arguments, 1, 1)
	if err != nil {
		return err
	}
	reference, err := name.ParseReference(arguments[0])
	if err != nil {
		return err
	}
	image, err := e.pull(reference)
	if err != nil {
		return err
	}
	digest, err := image.Digest()
	if err == nil && !*isQuiet {
		fmt.Printf("Digest: %s\nStatus: Downloaded newer image for %s\n%[2]s\n", digest, reference)
	}
	return err
}

// inspect prints what docker inspect prints of an image, or a template of it. Only the fields of inspection exist.
func (e engine) inspect(flags *pflag.FlagSet, arguments []string) error {
	format := flags.StringP("format", "f", "", "")
	flags.String("type", "image", "")
	arguments, err := parse(flags, arguments, 1, 1)
	if err != nil {
		return err
	}
	object, err := e.describe(arguments[0])
	if err != nil {
		return err
	}
	if *format == "" {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "    ")
		return encoder.Encode([]any{object})
	}
	parsed, err := template.New("").Funcs(template.FuncMap{
		"json": func(value any) (string, error) { text, err := json.Marshal(value); return string(text), err },
		"join": strings.Join,
	}).Parse(*format + "\n")
	if err != nil {
		return fmt.Errorf("template: %w", err)
	}
	return parsed.Execute(os.Stdout, object)
}

func (e engine) listImages(flags *pflag.FlagSet, arguments []string) error {
	if _, err := parse(flags, arguments, 0, 0); err != nil {
		return err
	}
	_, images, err := e.images()
	for reference, image := range images {
		fmt.Printf("%s %s\n", reference, image.Digest)
	}
	return err
}

func (e engine) listContainers(flags *pflag.FlagSet, arguments []string) error {
	if _, err := parse(flags, arguments, 0, 0); err != nil {
		return err
	}
	for _, name := range e.containers() {
		fmt.Println(name)
	}
	return nil
}

func (e engine) remove(flags *pflag.FlagSet, arguments []string) error {
	isForced := flags.BoolP("force", "f", false, "")
	arguments, err := parse(flags, arguments, 1, many)
	if err != nil {
		return err
	}
	var failures []error
	for _, name := range arguments {
		switch {
		case !slices.Contains(e.containers(), name):
			err = fmt.Errorf("no such container: %s", name)
		case !*isForced:
			err = fmt.Errorf("container %s is running: stop it first, or use --force", name)
		default:
			err = e.end(name, syscall.SIGKILL)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

func (e engine) stop(flags *pflag.FlagSet, arguments []string) error {
	arguments, err := parse(flags, arguments, 1, many)
	var failures []error
	for _, name := range arguments {
		failures = append(failures, e.end(name, syscall.SIGTERM))
	}
	return errors.Join(append(failures, err)...)
}
