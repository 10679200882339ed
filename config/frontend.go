package config

import (
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

func (f Frontend) check(at place, e Environment) {
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
