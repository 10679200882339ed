package terraform

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// ErrNoStateBucket is the error of Init if the account has no state bucket yet.
var ErrNoStateBucket = errors.New("no state bucket")

// knownError is an error of Terraform or AWS, and what to do about it.
type knownError struct {
	pattern *regexp.Regexp
	// advice may contain groups of the pattern, $1, and STACK, the stack's name, BOOTSTRAP, the name of the account's bootstrap stack,
	// TERRAFORM, the command that runs Terraform in the stack's directory, and AGE, the time since the UTC time in group 4.
	advice string
	reason error // for errors.Is; nil if no caller needs it
}

var knownErrors = []knownError{
	{
		pattern: regexp.MustCompile(`(?s)Error acquiring the state lock.*ResourceNotFoundException`),
		advice:  "the lock table does not exist: run make deploy ENV=BOOTSTRAP first",
	},
	{
		pattern: regexp.MustCompile(`(?s)Error acquiring the state lock.*ID:\s+(\S+).*Operation:\s+(\S+).*Who:\s+(\S+).*Created:\s+(\d{4}-\d\d-\d\d \d\d:\d\d)`),
		advice: "the state is locked: $3 runs $2 since $4 UTC (AGE ago), lock $1; wait until it ends; if that process is dead: make unlock ENV=STACK " +
			`(docs/runbook.md, "The state is locked")`,
	},
	{
		// S3 refuses an object that exists, or that is written at the same time; and then its lock could not be read
		// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
		pattern: regexp.MustCompile(`(?s)Error acquiring the state lock.*(?:PreconditionFailed|ConditionalRequestConflict)`),
		advice:  "another Terraform has locked or unlocked the state at this moment: run the command again",
	},
	{
		// The S3 client of Terraform waits until the MD5 is right, for 10 s.
		pattern: regexp.MustCompile(`state data in S3 does not have the expected content`),
		advice: "the state is not the one whose MD5 is in the lock table, because a Terraform was killed or is writing it, or state.lock was s3: try again in a minute; " +
			`if that does not help: make unlock ENV=STACK (docs/runbook.md, "The state is locked")`,
	},
	{
		pattern: regexp.MustCompile(`Saved plan is stale`),
		advice:  "the state has changed since the plan: another deploy has ended in the meantime; run the command again",
	},
	{
		pattern: regexp.MustCompile(`(?s)S3 bucket "?([a-z0-9.-]+)"? does not exist`),
		advice: "the state bucket $1 does not exist: run make deploy ENV=BOOTSTRAP first; if another account was in the file before, " +
			"the environment is still there: destroy it first",
		reason: ErrNoStateBucket,
	},
	{
		// OpenTofu leaves out the name (https://github.com/opentofu/opentofu/blob/v1.10.10/internal/backend/remote-state/s3/client.go).
		pattern: regexp.MustCompile(`S3 bucket does not exist`),
		advice:  "the state bucket does not exist: run make deploy ENV=BOOTSTRAP first",
		reason:  ErrNoStateBucket,
	},
	{
		pattern: regexp.MustCompile(`requested bucket from "(\S+?)", actual location "(\S+?)"`),
		advice:  "the state of the account is in $2: region cannot change from $2 to $1 while the bootstrap stack exists; set region: $2",
	},
	{
		pattern: regexp.MustCompile(`BucketAlreadyOwnedByYou`),
		advice:  "the bucket exists, but it is not in the state: TERRAFORM import aws_s3_bucket.ID BUCKET",
	},
	{
		pattern: regexp.MustCompile(`No valid credential sources found`),
		advice:  noCredentials,
	},
	{
		pattern: regexp.MustCompile(`AWS account ID not allowed: (\d+)`),
		advice:  "the credentials are for account $1, not for the environment's account: use others, or edit account in the environment's file",
	},
	{
		pattern: regexp.MustCompile(`Provider with url https://token\.actions\.githubusercontent\.com already exists`),
		advice:  "the account already has an OIDC provider for GitHub: set oidcProvider: existing in the files of the account's environments",
	},
	{
		pattern: regexp.MustCompile(`a detector already exists for the current account`),
		advice:  "the account already has a GuardDuty detector in the region: set guardDuty.detector: existing in the files of the account's environments",
	},
	{
		pattern: regexp.MustCompile(`Limit exceeded on dimensional spend monitor creation`),
		advice: "the account already has a cost anomaly monitor of AWS services: set budget.anomalies.monitorArn in the files of the account's environments " +
			"to its ARN (aws ce get-anomaly-monitors)",
	},
	{
		pattern: regexp.MustCompile(`Scope ARN: \S+-boundary does not exist or is not attachable`),
		advice:  "the permissions boundary does not exist: run make deploy ENV=BOOTSTRAP first",
	},
	{
		pattern: regexp.MustCompile(`[Uu]ser: (\S+) is not authorized to perform: (\S+( on resource: \S+)?)`),
		advice:  "$1 may not $2: use other credentials, or add the action to modules/githubroles and run make deploy ENV=BOOTSTRAP",
	},
	{
		// OpenTofu 1.12 has other words (https://github.com/opentofu/opentofu/blob/v1.12.6/internal/tofu/node_resource_abstract_instance.go).
		pattern: regexp.MustCompile(`(?s)[Ii]nstance cannot be destroyed.*?Resource (?:instance )?(\S+) has`),
		advice:  fmt.Sprintf(protectedAdvice, "$1") + "; if an earlier run was interrupted while it created it, run make deploy",
	},
	{
		pattern: regexp.MustCompile(`(?s)Provider configuration not present.*?\.backup_copy_`),
		advice:  "backup.copyToRegion: the vault of the copies can be deleted with the region only: put the region back, set copyRetentionDays: 0, and deploy that first",
	},
	{
		pattern: regexp.MustCompile(`domain\.name: \S+ is not in the hosted zone \S+, which is of \S+; allowed: the ID of the zone that contains the name`),
		advice:  "$0", // a precondition of modules/dns
	},
	{
		pattern: regexp.MustCompile(`domain\.hostedZoneId: the hosted zone \S+ is private; allowed: the ID of a public zone that contains \S+`),
		advice:  "$0", // the same
	},
	{
		pattern: regexp.MustCompile(`no matching Route ?53 ?(?:Hosted )?Zone found`),
		advice:  "the hosted zone of domain.name does not exist: run make deploy ENV=BOOTSTRAP first, and delegate the domain to its name servers",
	},
	{
		pattern: regexp.MustCompile(`multiple Route ?53 ?(?:Hosted )?Zones matched`),
		advice:  "there are several public hosted zones of domain.name: set domain.hostedZoneId to the ID of the one that the name is delegated to, instead of createZone",
	},
	{
		// Terraform needs the provider of each resource in a state, and OpenTofu writes the address in its own registry (docs/leaving.md).
		pattern: regexp.MustCompile(`for provider registry\.opentofu\.org/hashicorp/aws: `),
		advice: "the state is OpenTofu's: use OpenTofu (docs/leaving.md), or TERRAFORM state replace-provider registry.opentofu.org/hashicorp/aws " +
			"registry.terraform.io/hashicorp/aws",
	},
	{
		pattern: regexp.MustCompile(`(?s)Failed to query available provider packages|could not connect to registry\.(?:terraform\.io|opentofu\.org)|Failed to install provider`),
		advice:  "the AWS provider cannot be installed: check the network, or configure a mirror in TF_CLI_CONFIG_FILE",
	},
	{
		// An error of AWS's that the provider has tried again, 25 times by default.
		pattern: regexp.MustCompile(`operation error (\w[\w ]*): (\w+), exceeded maximum number of attempts, \d+, https response error StatusCode: [45]\d\d, RequestID: [^,]*, (?:api error )?(\w+)`),
		advice:  "AWS does not answer $1: $2 ($3): wait, see https://health.aws.amazon.com/health/status, and run the command again",
	},
	{
		pattern: regexp.MustCompile(`connect: connection refused|no such host|request send failed|dial tcp`),
		advice:  "AWS cannot be reached: check the network and AWS_ENDPOINT_URL; make up starts the local AWS",
	},
}

// protectedAdvice is for the addresses of resources that a plan destroys.
const protectedAdvice = "%s is protected: to destroy it, set deletionProtection: false in the environment's file and deploy that first"

const noCredentials = "no AWS credentials: sign in (aws sso login) and set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

// Error is a failed command of Terraform.
type Error struct {
	Doing  string // "plan production"
	Advice string // what to do; empty if the error is not a known one
	Output string // Terraform's output
	reason error
}

func (e *Error) Unwrap() error { return e.reason }

func (e *Error) Error() string {
	if e.Advice != "" {
		return e.Doing + ": " + e.Advice
	}
	return e.Doing + ": " + firstError(e.Output)
}

// values replace the words STACK, BOOTSTRAP and TERRAFORM in an advice.
type values struct{ stack, bootstrap, binary, dir string }

func (v values) replacer() *strings.Replacer {
	return strings.NewReplacer("STACK", v.stack, "BOOTSTRAP", v.bootstrap, "TERRAFORM", v.binary+" -chdir="+relative(v.dir))
}

// age is the time since a time of a lock, in minutes.
func age(created string) string {
	since, err := time.Parse("2006-01-02 15:04", created)
	if err != nil {
		return "some time"
	}
	return strings.TrimSuffix(time.Since(since).Round(time.Minute).String(), "0s")
}

// relative is a directory as a person in the checkout types it.
func relative(dir string) string {
	working, err := filepath.Abs(".")
	if err != nil {
		return dir
	}
	if short, err := filepath.Rel(working, dir); err == nil && !strings.HasPrefix(short, "..") {
		return short
	}
	return dir
}

// explain finds the advice for an error; nil stays nil.
func explain(doing string, err error, v values) error {
	if err == nil {
		return nil
	}
	explained := &Error{Doing: doing, Output: err.Error()}
	text := lineBreaks.ReplaceAllString(stripFrames(explained.Output), " ") // the patterns match sentences
	for _, known := range knownErrors {
		if match := known.pattern.FindStringSubmatchIndex(text); match != nil {
			explained.reason = known.reason
			advice := v.replacer().Replace(known.advice)
			if strings.Contains(known.advice, "AGE") {
				advice = strings.ReplaceAll(advice, "AGE", age(text[match[8]:match[9]]))
			}
			explained.Advice = string(known.pattern.ExpandString(nil, advice, text, match))
			break
		}
	}
	return explained
}

// firstError is the summary of the first error in Terraform's output, and the number of the others. The summary may be several
// lines in the output.
func firstError(output string) string {
	output = stripFrames(output)
	_, report, found := strings.Cut(output, "Error: ")
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
	text := strings.Join(summary, " ")
	switch others := len(errorLine.FindAllString(report, -1)); others {
	case 0:
		return text
	case 1:
		return text + " (and 1 more error)"
	default:
		return fmt.Sprintf("%s (and %d more errors)", text, others)
	}
}

var (
	colour     = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
	frame      = regexp.MustCompile(`(?m)^[│╷╵][ \t]?`)
	cdktfFrame = regexp.MustCompile(`(?m)^(?:\S+ )? *[│╷╵] ?`) // indented, and on the first line after the stack's name
	errorLine  = regexp.MustCompile(`(?m)^[ \t]*Error: `)
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

// stripFrames is Plain that also removes the frames of cdktf, which indents the output of Terraform.
func stripFrames(output string) string { return cdktfFrame.ReplaceAllString(Plain(output), "") }
