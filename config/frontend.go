package config

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// AssetsPath is the path of the hashed files of a Vite build.
const AssetsPath = "/assets/"

// Frontend is the bucket and the distribution.
type Frontend struct {
	// Path patterns that CloudFront forwards to the load balancer, without caching. The first one that matches a path is used.
	//
	// The length and the characters are CloudFront's (see MatchesPath), without quotes and &, which an API's paths do not need. Each pattern is a
	// cache behavior, of which CloudFront allows 75 (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html).
	// The limit of 20 is this project's: an API has a common path, or a few.
	APIPaths []string `json:"apiPaths" jsonschema:"minItems=1,maxItems=20,uniqueItems=true,pattern=^/[A-Za-z0-9_.*?$/~@:+-]+$,maxLength=255" change:"free"`
	// Days that a replaced or deleted file can be restored.
	//
	// S3 needs at least one (https://docs.aws.amazon.com/AmazonS3/latest/API/API_NoncurrentVersionExpiration.html). The maximum is this
	// project's: ten years.
	OldVersionRetentionDays int `json:"oldVersionRetentionDays" jsonschema:"minimum=1,maximum=3650" change:"free"`
	// Storage class that old versions of 128 KB or more move to. Smaller ones stay in STANDARD, where they cost less.
	//
	// Every class here is read at once, so that a restore is a copy
	// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html). The 128 KB:
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html.
	OldVersionsStorageClass string `json:"oldVersionsStorageClass" jsonschema:"enum=STANDARD,enum=STANDARD_IA,enum=INTELLIGENT_TIERING,enum=GLACIER_IR" change:"free"`
	// Days after which an old version moves there.
	//
	// The maximum is oldVersionRetentionDays's. Source of the minimum: see storageClasses.
	OldVersionsStorageDays int `json:"oldVersionsStorageDays" jsonschema:"minimum=1,maximum=3650" change:"free"`
	// Header Content-Security-Policy of every response: default-src 'self'; img-src 'self' data:. It also applies to the API's pages, as
	// /swagger/*.
	//
	// The form: see serializedPolicy. The maximum length is CloudFront's
	// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html#limits-policies).
	ContentSecurityPolicy string `json:"contentSecurityPolicy,omitempty" jsonschema:"format=content-security-policy,maxLength=1783" change:"free"`
	// CloudFront's access logs in CloudWatch Logs, in us-east-1: every request, also those for pages and files, without cookies.
	//
	// Costs: 0.50 USD for each GB that is delivered, about a million requests, and 0.03 a month for each GB that is stored, compressed.
	//
	// https://aws.amazon.com/cloudwatch/pricing/, of us-east-1.
	//
	// Needs: nothing. The retention is monitoring.logRetentionDays.
	//
	// Check: aws logs tail /starttech/ENVIRONMENT/cloudfront/access --region us-east-1, some minutes after a request.
	AccessLogs bool `json:"accessLogs" change:"free: to true; deploy bootstrap first, for the roles. To false is refused, because the log group is protected." removal:"refused: the log group is protected. With deletionProtection: false, its log events are lost."`
	// How CloudFront reads the bucket: oai is an origin access identity, as in the architecture document; oac is an origin access
	// control, which AWS recommends and which regions since 2023 require.
	//
	// Source: see regionsWithoutOAI.
	OriginAccess string `json:"originAccess" jsonschema:"enum=oai,enum=oac" change:"interrupts: pages that are not in the cache answer 403 for the minutes in which CloudFront deploys"`
	// CloudFront's edge locations: PriceClass_100 is North America, Europe and Israel.
	//
	// AWS's classes: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/PriceClass.html.
	PriceClass string `json:"priceClass" jsonschema:"enum=PriceClass_100,enum=PriceClass_200,enum=PriceClass_All" change:"free"`
}

func defaultFrontend() Frontend {
	return Frontend{
		APIPaths:                []string{"/auth/*", "/tasks", "/tasks/*", "/users/*", "/swagger/*", "/health", "/ping"},
		OldVersionRetentionDays: 90,
		OldVersionsStorageClass: "STANDARD",
		OldVersionsStorageDays:  30,
		OriginAccess:            "oai",
		PriceClass:              "PriceClass_100",
	}
}

// regionsWithOAI are the regions until 2022, where an origin access identity can read a bucket. Those that were launched after December
// 2022 need an origin access control, and so will new ones
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html,
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html).
var regionsWithOAI = []string{
	"af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1",
	"ap-southeast-2", "ap-southeast-3", "ca-central-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1",
	"eu-west-2", "eu-west-3", "me-central-1", "me-south-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// storageClasses are the days that an object has to be in STANDARD before a lifecycle rule may move it, and the days that each class charges for
// at least (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html).
var storageClasses = map[string]struct{ before, charged int }{
	"STANDARD_IA":         {before: 30, charged: 30},
	"INTELLIGENT_TIERING": {before: 1, charged: 1},
	"GLACIER_IR":          {before: 1, charged: 90},
}

// checkStorage requires that old versions stay in their storage class for as long as it charges for them.
func (f Frontend) checkStorage(at place) {
	class, ok := storageClasses[f.OldVersionsStorageClass]
	if !ok {
		return
	}
	if f.OldVersionsStorageDays < class.before {
		at.key("oldVersionsStorageDays").problem("%d is too early for %s; the minimum is %d", f.OldVersionsStorageDays, f.OldVersionsStorageClass, class.before)
	}
	if minimum := f.OldVersionsStorageDays + class.charged; f.OldVersionRetentionDays < minimum {
		at.key("oldVersionRetentionDays").problem("%d is too short for %s: it charges for %d days at least, which begin %d days after a version is replaced; allowed: %d or more",
			f.OldVersionRetentionDays, f.OldVersionsStorageClass, class.charged, f.OldVersionsStorageDays, minimum)
	}
}

// directives are those of a content security policy (https://www.w3.org/TR/CSP3/#csp-directives,
// https://www.w3.org/TR/upgrade-insecure-requests/, https://w3c.github.io/trusted-types/dist/spec/). Browsers ignore others, and the second one of a name.
var directives = []string{
	"base-uri", "child-src", "connect-src", "default-src", "font-src", "form-action", "frame-ancestors", "frame-src", "img-src", "manifest-src",
	"media-src", "object-src", "report-to", "report-uri", "require-trusted-types-for", "sandbox", "script-src", "script-src-attr", "script-src-elem",
	"style-src", "style-src-attr", "style-src-elem", "trusted-types", "upgrade-insecure-requests", "webrtc", "worker-src",
}

// keywords of a policy have quotes. Without them, they are names of hosts.
var keywords = []string{"none", "self", "strict-dynamic", "unsafe-eval", "unsafe-hashes", "unsafe-inline", "wasm-unsafe-eval"}

// serializedPolicy is directives and their values, without a comma, which begins another policy
// (https://www.w3.org/TR/CSP3/#grammardef-serialized-policy).
var serializedPolicy = regexp.MustCompile(`^[a-z-]+( +[!-+--:<-~]+)*( *; *([a-z-]+( +[!-+--:<-~]+)*)?)*$`)

// validateContentSecurityPolicy accepts a policy in one line. Spaces and line breaks at its end, as of a block in YAML, do not count.
func validateContentSecurityPolicy(v any) error {
	text, ok := v.(string)
	if !ok || serializedPolicy.MatchString(trimPolicy(text)) {
		return nil // the type is reported by itself
	}
	return errors.New("is not a content security policy; allowed: one line of directives with ; between them, each a name in lower case and its values, " +
		"in ASCII and without commas, as default-src 'self'; img-src *")
}

func trimPolicy(text string) string { return strings.TrimRight(text, " \n") }

// checkContentSecurity reports what browsers ignore, or take for something else.
func (f Frontend) checkContentSecurity(at place) {
	var seen []string
	for directive := range strings.SplitSeq(f.ContentSecurityPolicy, ";") {
		words := strings.Fields(directive)
		if len(words) == 0 {
			continue
		}
		switch name := words[0]; {
		case !slices.Contains(directives, name):
			at.problem("%q is not a directive; allowed: %s", name, strings.Join(directives, ", "))
		case slices.Contains(seen, name):
			at.problem("%q is duplicated; browsers ignore the second one", name)
		}
		seen = append(seen, words[0])
		for _, word := range words[1:] {
			if slices.Contains(keywords, word) {
				at.problem("%s has no quotes, so it is the name of a host; allowed: '%[1]s'", word)
			}
		}
	}
}

func (f Frontend) check(at place, e Environment) {
	f.checkStorage(at)
	f.checkContentSecurity(at.key("contentSecurityPolicy"))
	if f.OriginAccess == "oai" && !e.isInOtherPartition() && !slices.Contains(regionsWithOAI, e.Region) {
		at.key("originAccess").problem("%q does not work in %s, as in every region since 2023; allowed: oac", f.OriginAccess, e.Region)
	}
	for i, pattern := range f.APIPaths {
		for _, file := range []string{"/", "/index.html", AssetsPath + "app.js"} {
			if MatchesPath(pattern, file) {
				at.key("apiPaths").item(i).problem("%q matches %s, which is a file of the frontend; allowed: paths of the API", pattern, file)
				break
			}
		}
		for j, earlier := range f.APIPaths[:i] {
			if matchesPattern(earlier, pattern) {
				at.key("apiPaths").item(i).problem("%q is never used, because item %d, %q, matches its paths before; allowed: the longer pattern first, or only %[3]q", pattern, j+1, earlier)
				break
			}
		}
	}
}

// matchesPattern reports whether a path pattern matches every path that another one matches. An asterisk in the other one stands for
// any characters, so only an asterisk matches it.
func matchesPattern(pattern, other string) bool { return matches(pattern, "[^*]", other) }

// MatchesPath reports whether a path pattern of a CloudFront cache behavior matches a path: * is any characters, ? is one
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesCacheBehavior.html).
func MatchesPath(pattern, path string) bool { return matches(pattern, ".", path) }

// matches reports whether a path pattern matches a text. one is the regular expression of what a question mark matches.
func matches(pattern, one, text string) bool {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, one).Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("^" + expression + "$").MatchString(text)
}
