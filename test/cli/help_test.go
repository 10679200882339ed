package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// commands is the names of all commands, as completion lists them.
func (c checkout) commands(t *testing.T) []string {
	t.Helper()
	output, _ := c.run(t, `__complete ""`)
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^([a-z-]+)\t`).FindAllStringSubmatch(output, -1) {
		names = append(names, match[1])
	}
	return names
}

func TestHelpDescribesEveryCommandInAGroup(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	commands := c.commands(t)
	c.remove(t, "cdktf.json") // help needs no checkout
	help, _ := c.run(t, "help")
	c.mustRun(t, "", help)
	var groups, described []string
	for _, section := range strings.Split(help, "\n\n") {
		title, rows, _ := strings.Cut(section, "\n")
		if strings.HasSuffix(title, ":") && title != "Usage:" && title != "Flags:" {
			groups = append(groups, title)
			for row := range strings.Lines(rows) {
				if match := regexp.MustCompile(`^  ([a-z-]+) +[A-Z].{10,}\n?$`).FindStringSubmatch(row); match != nil {
					described = append(described, match[1])
				} else {
					t.Errorf("%q is not a command with a description", row)
				}
			}
		}
	}
	equal(t, "groups", groups, []string{"Try it, on a local AWS:", "Plan and deploy:", "Operate a deployed environment:", "In a pipeline:", "The checkout:"})
	harness.EqualSets(t, "described commands", described, commands)
	for _, command := range commands {
		c.mustRun(t, command+" --help", "Usage:\n  starttech "+command)
	}
}

func TestUnknownCommandOfAGroupIsRefused(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.remove(t, "cdktf.json") // neither needs a checkout
	for arguments, want := range map[string]string{
		"rollback backnd":                  `unknown command "backnd" for "starttech rollback"; allowed: backend, frontend, infrastructure, state`,
		"rollback backnd --env production": `unknown command "backnd" for "starttech rollback"; allowed: backend, frontend, infrastructure, state`,
		"secrets nope":                     `unknown command "nope" for "starttech secrets"; allowed: set, list, check`,
		"release x":                        `unknown command "x" for "starttech release"; allowed: backend, frontend`,
		"instances x":                      `unknown command "x" for "starttech instances"; allowed: list, replace`,
		"rollback --env production":        "unknown flag: --env",
	} {
		output, failed := c.run(t, arguments)
		if !failed || output != want+"\n" {
			t.Errorf("%s: failed: %t\n%s\nwant %s", arguments, failed, output, want)
		}
	}
	for _, name := range []string{"rollback", "secrets", "release", "instances"} {
		c.mustRun(t, name, "Available Commands:")
	}
}

func TestUpHelpListsFlags(t *testing.T) {
	t.Parallel()
	help, _ := newCheckout(t).run(t, "up --help")
	has(t, "up --help", help, "--app string", "-e, --env string", "--image string", "--port string", "--site string",
		`application to release: example or none (default "example")`, "a file of docker save, or an image of a registry",
		"the directory of index.html", "port of the local AWS (default 4566)")
}

func TestMakeTargetsAreCommands(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	makefile, err := os.ReadFile(filepath.Join(harness.Root, "Makefile"))
	check(t, err)
	isCommand, isTarget := map[string]bool{}, map[string]bool{}
	for _, command := range c.commands(t) {
		isCommand[command] = true
	}
	for _, match := range regexp.MustCompile(`(?m)^([a-z-]+):.*\n\t@?\$\(starttech\) (\S+)`).FindAllStringSubmatch(string(makefile), -1) {
		isTarget[match[1]] = true
		if match[1] != match[2] || !isCommand[match[2]] {
			t.Errorf("make %s runs starttech %s, want the command of that name", match[1], match[2])
		}
	}
	equal(t, "targets that run starttech", len(isTarget), strings.Count(string(makefile), "@$(starttech) "))

	// A command that needs an environment advises make only if there is a target.
	for _, command := range []string{"deploy", "destroy", "comment-plan", "drift", "publish-outputs"} {
		output, _ := c.run(t, command)
		has(t, command, output, "name the environment: --env NAME")
		if got := strings.Contains(output, "make "+command+" ENV=NAME"); got != isTarget[command] {
			t.Errorf("starttech %s: %swant make in it: %v", command, output, isTarget[command])
		}
	}
}

func TestCompletionListsStacks(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.mustRun(t, `__complete plan --env ""`, "bootstrap\nproduction\nstaging\n:4\n")
	c.mustRun(t, `__complete plan -e ""`, "bootstrap\nproduction\nstaging\n:4\n")
	c.dir = filepath.Join(c.dir, "environments")
	c.mustRun(t, `__complete deploy --env ""`, "bootstrap\nproduction\nstaging\n:4\n")
}

func TestCompletionPrintsScript(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.remove(t, "cdktf.json") // it needs no checkout
	script, failed := c.run(t, "completion bash")
	if failed || !strings.HasPrefix(script, "# bash completion") {
		t.Errorf("failed: %v, output:\n%s", failed, script)
	}
}
