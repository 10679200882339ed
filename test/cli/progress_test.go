package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// longAddress is wider than a terminal.
const longAddress = "terraform_data.thing_with_an_address_that_does_not_fit_into_a_terminal_next_to_the_title_and_the_seconds_of_a_step"

func TestStepWithoutTerminalIsOneLine(t *testing.T) {
	t.Parallel()
	c := newProgramCheckout(t)
	for program, ending := range map[string]string{smallProgram: `\d+\.\d s`, "package main\n": `failed after \d+\.\d s`} {
		c.write(t, "main.go", program)
		output, _ := c.run(t, "synth")
		steps := regexp.MustCompile(`Synthesize the stacks into cdktf\.out \.\.\..*`).FindAllString(output, -1)
		if len(steps) != 1 || !regexp.MustCompile(`\.\.\. +`+ending+`$`).MatchString(steps[0]) {
			t.Errorf("the steps are\n%q\nwant one that ends with %s", steps, ending)
		}
	}
}

func TestPlanStepWithoutTerminalEnclosesOutput(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	for input, ending := range map[string]string{"a": `\d+\.\d s`, invalidInput: `failed after \d+\.\d s`} {
		c.writeStack(t, input, nil)
		output, _ := c.run(t, "plan --env production")
		steps := regexp.MustCompile(`Plan production \.\.\..*`).FindAllString(output, -1)
		if len(steps) != 2 || steps[0] != "Plan production ..." || !regexp.MustCompile(`^Plan production \.\.\. +`+ending+`$`).MatchString(steps[1]) {
			t.Errorf("the lines of the step with input %s are\n%q\nwant its beginning, and one that ends with %s", input, steps, ending)
		} else if between := output[strings.Index(output, steps[0]):strings.Index(output, steps[1])]; !strings.Contains(between, "Terraform has been successfully initialized!") {
			t.Errorf("Terraform's output is not between the lines of the step:\n%s", output)
		}
	}
}

func TestStepAtTerminalFitsItsWidth(t *testing.T) {
	t.Parallel()
	for columns, want := range map[uint16]string{
		0:  `s    1 of 2, waiting for ` + longAddress, // the width is not known
		40: `s`,
		80: `s    1 of 2,`,
	} {
		t.Run(fmt.Sprint(columns, " columns"), func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			c.write(t, productionDir+"more.tf.json", `{"resource": {"terraform_data": {"`+strings.TrimPrefix(longAddress, "terraform_data.")+`": {
				"provisioner": {"local-exec": {"command": "/bin/sleep 2.2"}}, "depends_on": ["terraform_data.thing"]}}}}`)
			screen, status := c.runAtTerminal(t, columns, "deploy --env production", "yes\n")
			equal(t, "status", status, 0)
			screen = strings.ReplaceAll(screen, "\r\x1b[K", "\n") // the step is shown again in the same line
			steps := regexp.MustCompile(`(?m)^(Plan|Deploy) production \.\.\..*$`).FindAllString(screen, -1)
			for _, step := range steps {
				if columns > 0 && len(step) > int(columns) {
					t.Errorf("%q is wider than %d columns", step, columns)
				}
			}
			for _, pattern := range []string{`^Plan production \.\.\. +\d+\.\d s$`, `^Deploy production \.\.\. +\d+ ` + want + `$`, `^Deploy production \.\.\. +\d+\.\d s$`} {
				if !slices.ContainsFunc(steps, regexp.MustCompile(pattern).MatchString) {
					t.Errorf("the steps are\n%q\nwant one like %s", steps, pattern)
				}
			}
		})
	}
}
