package test

import (
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/config"
)

// AWS's managed policies, by the ids of its documentation
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html).
const (
	managedCachingOptimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"
	managedCachingDisabled  = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
	managedAllViewer        = "216adef6-5c7f-47e4-b989-5492eafa07d3"
)

// behaviors is what CloudFront does, by path pattern; the default's is "*".
func (s stack) behaviors(t *testing.T) map[string]resource {
	t.Helper()
	_, site := s.only(t, "aws_cloudfront_distribution")
	all := map[string]resource{"*": site.get("default_cache_behavior").(map[string]any)}
	for _, behavior := range site.get("ordered_cache_behavior").([]any) {
		behavior := resource(behavior.(map[string]any))
		all[behavior.text("path_pattern")] = behavior
	}
	return all
}

func TestEachPathGoesWhereItBelongs(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		got := map[string]string{}
		for pattern, behavior := range s.behaviors(t) {
			got[pattern] = behavior.text("target_origin_id")
		}
		equal(t, "paths", got, map[string]string{
			"*": "frontend", "/assets/*": "frontend",
			"/auth/*": "backend", "/tasks": "backend", "/tasks/*": "backend", "/users/*": "backend",
			"/swagger/*": "backend", "/health": "backend", "/ping": "backend",
		})
	})
}

func TestTheOriginsAreTheBucketByItsIdentityAndTheLoadBalancer(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, site := s.only(t, "aws_cloudfront_distribution")
		for i := range site.get("origin").([]any) {
			switch origin := resource(site.get("origin", i).(map[string]any)); origin.text("origin_id") {
			case "frontend":
				// The REST endpoint: the website endpoint knows no identity.
				origin.want(t, ref("aws_s3_bucket.frontend", "bucket_regional_domain_name"), "domain_name")
				origin.want(t, ref("aws_cloudfront_origin_access_identity.frontend_origin_access_identity", "cloudfront_access_identity_path"), "s3_origin_config", "origin_access_identity")
			case "backend":
				origin.want(t, ref("aws_lb.load_balancer", "dns_name"), "domain_name")
				equal(t, "TLS to the origin", origin.strings("custom_origin_config", "origin_ssl_protocols"), []string{"TLSv1.2"})
			default:
				t.Errorf("unknown origin %v", origin)
			}
		}
	})
}

func TestAnAPIPathIsNeverCachedAndCarriesTheViewersHost(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for pattern, behavior := range s.behaviors(t) {
			if behavior.text("target_origin_id") != "backend" {
				continue
			}
			if behavior.text("cache_policy_id") != managedCachingDisabled || behavior.text("origin_request_policy_id") != managedAllViewer {
				t.Errorf("%s: %v", pattern, behavior)
			}
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"} {
				if !slices.Contains(behavior.strings("allowed_methods"), method) {
					t.Errorf("%s refuses %s", pattern, method)
				}
			}
			// A redirected POST arrives as a GET without its body.
			behavior.want(t, "https-only", "viewer_protocol_policy")
		}
	})
}

func TestEveryPathIsHTTPSCompressedAndHasSecurityHeaders(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for pattern, behavior := range s.behaviors(t) {
			if protocol := behavior.text("viewer_protocol_policy"); protocol != "https-only" && protocol != "redirect-to-https" {
				t.Errorf("%s: %s", pattern, protocol)
			}
			behavior.want(t, true, "compress")
			behavior.want(t, ref("aws_cloudfront_response_headers_policy.security_headers", "id"), "response_headers_policy_id")
		}
	})
}

func TestTheSecurityHeadersAreSet(t *testing.T) {
	_, policy := production(t).only(t, "aws_cloudfront_response_headers_policy")
	headers := resource(policy.get("security_headers_config").(map[string]any))
	if age, _ := headers.get("strict_transport_security", "access_control_max_age_sec").(float64); age < 31536000 {
		t.Errorf("Strict-Transport-Security for %v seconds, less than a year", age)
	}
	headers.want(t, true, "content_type_options", "override")
	headers.want(t, "DENY", "frame_options", "frame_option")
	headers.want(t, "strict-origin-when-cross-origin", "referrer_policy", "referrer_policy")
}

func TestAssetsAreCachedLongAndPagesBriefly(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		behaviors := s.behaviors(t)
		behaviors["/assets/*"].want(t, managedCachingOptimized, "cache_policy_id")

		policy := s.resource(t, addressOf(behaviors["*"].text("cache_policy_id")))
		for _, limit := range []string{"default_ttl", "max_ttl"} {
			if seconds, ok := policy.get(limit).(float64); !ok || seconds > 60 {
				t.Errorf("%s is %v seconds", limit, policy.get(limit))
			}
		}
		policy.want(t, 0.0, "min_ttl")
		const key = "parameters_in_cache_key_and_forwarded_to_origin"
		policy.want(t, "none", key, "cookies_config", "cookie_behavior")
		policy.want(t, true, key, "enable_accept_encoding_brotli")
		policy.want(t, true, key, "enable_accept_encoding_gzip")
	})
}

func TestOnlyTheSitesOwnPathsAreRewritten(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for pattern, behavior := range s.behaviors(t) {
			if pattern == "*" {
				behavior.want(t, "viewer-request", "function_association", 0, "event_type")
				behavior.want(t, ref("aws_cloudfront_function.client_side_routes", "arn"), "function_association", 0, "function_arn")
			} else if behavior.get("function_association") != nil {
				t.Errorf("%s is rewritten", pattern)
			}
		}
		// It would turn the API's 403 and 404 into pages as well.
		_, site := s.only(t, "aws_cloudfront_distribution")
		site.want(t, nil, "custom_error_response")
		site.want(t, "index.html", "default_root_object")

		_, function := s.only(t, "aws_cloudfront_function")
		function.want(t, true, "publish")
		function.want(t, "cloudfront-js-2.0", "runtime")
	})
}

func TestTheBucketIsAWebsiteAsTheDocumentAsks(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		website := s.about(t, "aws_s3_bucket_website_configuration", "aws_s3_bucket.frontend")
		website.want(t, "index.html", "index_document", "suffix")
		website.want(t, "index.html", "error_document", "key")
	})
}

func TestNoPatternOfTheAPITakesAnAssetAway(t *testing.T) {
	_, site := production(t).only(t, "aws_cloudfront_distribution")
	// CloudFront takes the first pattern that matches.
	site.want(t, config.AssetsPath+"*", "ordered_cache_behavior", 0, "path_pattern")
	for _, pattern := range config.Default().Frontend.APIPaths {
		if strings.HasPrefix(pattern, "/api") {
			t.Errorf("%s: the backend's routes sit at the root", pattern)
		}
	}
}

func TestTheDistributionIsOnAndCheap(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, site := s.only(t, "aws_cloudfront_distribution")
		site.want(t, true, "enabled")
		site.want(t, true, "is_ipv6_enabled")
		site.want(t, "PriceClass_100", "price_class")
	})
}
