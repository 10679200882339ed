package config

import (
	"regexp"
	"strings"
)

// AssetsPath is the path of the hashed files of a Vite build.
const AssetsPath = "/assets/"

// Frontend is the bucket and the distribution.
type Frontend struct {
	// Path patterns that CloudFront forwards to the load balancer, without caching.
	APIPaths []string `json:"apiPaths" jsonschema:"minItems=1,maxItems=20,uniqueItems=true,pattern=^/[A-Za-z0-9_.*?$/~@:+-]+$"`
	// Days that a replaced or deleted file can be restored.
	OldVersionRetentionDays int `json:"oldVersionRetentionDays" jsonschema:"minimum=1,maximum=3650"`
	// CloudFront's edge locations: PriceClass_100 is North America and Europe.
	PriceClass string `json:"priceClass" jsonschema:"enum=PriceClass_100,enum=PriceClass_200,enum=PriceClass_All"`
}

func defaultFrontend() Frontend {
	return Frontend{
		APIPaths:                []string{"/auth/*", "/tasks", "/tasks/*", "/users/*", "/swagger/*", "/health", "/ping"},
		OldVersionRetentionDays: 90,
		PriceClass:              "PriceClass_100",
	}
}

func (f Frontend) check(at place, _ Environment) {
	for i, pattern := range f.APIPaths {
		for _, file := range []string{"/", "/index.html", AssetsPath + "app.js"} {
			if MatchesPath(pattern, file) {
				at.key("apiPaths").item(i).problem("%q matches %s, which is a file of the frontend; allowed: paths of the API", pattern, file)
				break
			}
		}
	}
}

// MatchesPath reports whether a path pattern of a CloudFront cache behavior matches a path: * is any characters, ? is one
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesCacheBehavior.html).
func MatchesPath(pattern, path string) bool {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("^" + expression + "$").MatchString(path)
}
