package terraform

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
)

// ErrNoStateBucket says that the account has no state bucket yet.
var ErrNoStateBucket = errors.New("no state bucket")

// refusal is a way in which Terraform fails, and what to do about it. The advice may name the groups of the pattern.
type refusal struct {
	pattern *regexp.Regexp
	advice  string
	reason  error // for errors.Is; nil where no caller asks
}

var refusals = []refusal{
	{
		pattern: regexp.MustCompile(`(?s)Error acquiring the state lock.*ResourceNotFoundException`),
		advice:  "the lock table does not exist: run make deploy ENV=bootstrap first",
	},
	{
		pattern: regexp.MustCompile(`(?s)Error acquiring the state lock.*ID:\s+(\S+).*Operation:\s+(\S+).*Who:\s+(\S+).*Created:\s+(\d{4}-\d\d-\d\d \d\d:\d\d)`),
		advice:  "the state is locked: $3 runs $2 since $4 UTC; wait until it ends; if it has died, run terraform force-unlock $1 in this stack's folder",
	},
	{
		pattern: regexp.MustCompile(`(?s)S3 bucket "?([a-z0-9.-]+)"? does not exist`),
		advice:  "the state bucket $1 does not exist: run make deploy ENV=bootstrap first",
		reason:  ErrNoStateBucket,
	},
	{
		pattern: regexp.MustCompile(`BucketAlreadyOwnedByYou`),
		advice:  "the bucket is there, but this state does not know it: run terraform import aws_s3_bucket.ID BUCKET in this stack's folder",
	},
	{
		pattern: regexp.MustCompile(`No valid credential sources found`),
		advice:  "no AWS credentials: sign in (aws sso login) and set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
	},
	{
		pattern: regexp.MustCompile(`AWS account ID not allowed: (\d+)`),
		advice:  "the credentials are of account $1, not of the environment's: use others, or edit account in the environment's file",
	},
	{
		pattern: regexp.MustCompile(`Provider with url https://token\.actions\.githubusercontent\.com already exists`),
		advice:  "the account has an OIDC provider of GitHub already: set oidcProvider: existing in the environments' files",
	},
	{
		pattern: regexp.MustCompile(`Scope ARN: \S+-boundary does not exist or is not attachable`),
		advice:  "the permissions boundary does not exist: run make deploy ENV=bootstrap first",
	},
	{
		pattern: regexp.MustCompile(`[Uu]ser: (\S+) is not authorized to perform: (\S+( on resource: \S+)?)`),
		advice:  "$1 may not $2: use other credentials, or add the action to modules/pipeline and run make deploy ENV=bootstrap",
	},
	{
		pattern: regexp.MustCompile(`(?s)Instance cannot be destroyed.*?Resource (\S+) has`),
		advice:  "$1 is protected: to destroy it, set deletionProtection: false in the environment's file and deploy that first; if an earlier run was cut short while it made it, make deploy keeps it",
	},
	{
		pattern: regexp.MustCompile(`(?s)Failed to query available provider packages|could not connect to registry\.terraform\.io|Failed to install provider`),
		advice:  "the AWS provider cannot be installed: check the network, or name a mirror in TF_CLI_CONFIG_FILE",
	},
	{
		pattern: regexp.MustCompile(`connect: connection refused|no such host|request send failed|dial tcp`),
		advice:  "AWS cannot be reached: check the network and AWS_ENDPOINT_URL; the local AWS is started by make up",
	},
}

// Error is a failure of Terraform: what to do about it, where that is known, and everything that Terraform said.
type Error struct {
	Doing  string // "plan production"
	Advice string // empty where the failure is not one of those known
	Output string
	reason error
}

func (e *Error) Unwrap() error { return e.reason }

func (e *Error) Error() string {
	if e.Advice != "" {
		return e.Doing + ": " + e.Advice
	}
	return e.Doing + ": " + firstError(e.Output)
}

// Explain finds the advice for what a failed Terraform said.
func Explain(doing, output string) error { return explain(doing, errors.New(output)) }

// explain finds the advice for a failure; nil stays nil.
func explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	explained := &Error{Doing: doing, Output: err.Error()}
	text := lineBreaks.ReplaceAllString(unframe(explained.Output), " ") // the patterns match whole sentences
	for _, r := range refusals {
		if match := r.pattern.FindStringSubmatchIndex(text); match != nil {
			explained.reason = r.reason
			explained.Advice = string(r.pattern.ExpandString(nil, r.advice, text, match))
			break
		}
	}
	return explained
}

// firstError is the summary of the first error that Terraform reports, which may be broken into lines.
func firstError(output string) string {
	_, report, found := strings.Cut(unframe(output), "Error: ")
	if !found {
		return strings.TrimSpace(output)
	}
	var summary []string
	for line := range strings.Lines(report) {
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		summary = append(summary, line)
	}
	return strings.Join(summary, " ")
}

var (
	colour     = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
	frame      = regexp.MustCompile(`(?m)^[│╷╵][ \t]?`)
	cdktfFrame = regexp.MustCompile(`(?m)^(?:\S+ )? *[│╷╵] ?`) // indented, and on the first line after the stack's name
	lineBreaks = regexp.MustCompile(`[ \t]*\n[ \t]*`)
)

// Plain returns output of Terraform without colours, frames, and control characters other than newline and tab.
func Plain(output string) string {
	output = frame.ReplaceAllString(colour.ReplaceAllString(output, ""), "")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, output)
}

// unframe is Plain that also removes the frames of cdktf, which indents the output of Terraform.
func unframe(output string) string { return cdktfFrame.ReplaceAllString(Plain(output), "") }
