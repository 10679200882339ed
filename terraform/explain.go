package terraform

import (
	"fmt"
	"regexp"
	"strings"
)

// refusal is a way in which Terraform fails, and what to do about it. The advice may name the groups of the pattern.
type refusal struct {
	pattern *regexp.Regexp
	advice  string
}

var refusals = []refusal{
	{
		regexp.MustCompile(`(?s)Error acquiring the state lock.*ID:\s+(\S+).*Operation:\s+(\S+).*Who:\s+(\S+).*Created:\s+(\d{4}-\d\d-\d\d \d\d:\d\d)`),
		"the state is locked: $3 runs $2 since $4 UTC; wait until it ends; if it has died, run terraform force-unlock $1 in this stack's folder",
	},
	{
		regexp.MustCompile(`(?s)S3 bucket "?([a-z0-9.-]+)"? does not exist`),
		"the state bucket $1 does not exist: run make deploy ENV=bootstrap first",
	},
	{
		regexp.MustCompile(`No valid credential sources found`),
		"no AWS credentials: sign in (aws sso login) and set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
	},
	{
		regexp.MustCompile(`AWS account ID not allowed: (\d+)`),
		"the credentials are of account $1, not of the environment's: use others, or edit account in the environment's file",
	},
	{
		regexp.MustCompile(`(?s)Instance cannot be destroyed.*?Resource (\S+) has`),
		"$1 is protected: set deletionProtection: false in the environment's file, deploy that, and destroy then",
	},
	{
		regexp.MustCompile(`(?s)Failed to query available provider packages|could not connect to registry\.terraform\.io|Failed to install provider`),
		"the AWS provider cannot be installed: check the network, or name a mirror in TF_CLI_CONFIG_FILE",
	},
	{
		regexp.MustCompile(`connect: connection refused|no such host|request send failed|dial tcp`),
		"AWS cannot be reached: check the network and AWS_ENDPOINT_URL; the local AWS is started by make up",
	},
}

// Error is a failure of Terraform: what to do about it, where that is known, and everything that Terraform said.
type Error struct {
	Doing  string // "plan production"
	Advice string // empty where the failure is not one of those known
	Output string
}

func (e *Error) Error() string {
	if e.Advice != "" {
		return e.Doing + ": " + e.Advice
	}
	return e.Doing + ": " + firstError(e.Output)
}

// explain finds the advice for a failure; nil stays nil.
func explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	explained := &Error{Doing: doing, Output: err.Error()}
	text := unframe(explained.Output)
	for _, r := range refusals {
		if match := r.pattern.FindStringSubmatchIndex(text); match != nil {
			explained.Advice = string(r.pattern.ExpandString(nil, r.advice, text, match))
			break
		}
	}
	return explained
}

var errorLine = regexp.MustCompile(`(?m)^.*?Error: (.*)$`)

// firstError is the summary of the first error that Terraform reports.
func firstError(output string) string {
	if match := errorLine.FindStringSubmatch(output); match != nil {
		return fmt.Sprintf("%s (all of it above)", strings.TrimSpace(match[1]))
	}
	return strings.TrimSpace(output)
}

var (
	colour = regexp.MustCompile("\x1b\\[[0-9;]*m")
	frame  = regexp.MustCompile(`(?m)^[│╷╵] ?`)
	spaces = regexp.MustCompile(`[ \t]*\n[ \t]*`)
)

// unframe removes colours and frames, and joins broken lines, so that patterns see sentences.
func unframe(output string) string {
	return spaces.ReplaceAllString(frame.ReplaceAllString(colour.ReplaceAllString(output, ""), ""), " ")
}
