package claims

import (
	"slices"
	"testing"

	"github.com/starttech/infrastructure/config"
)

const distribution = "aws_cloudfront_distribution.frontend_distribution"

// AWS's managed policies, by the ids in its documentation
// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html).
const (
	managedCachingOptimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"
	managedCachingDisabled  = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
	managedAllViewer        = "216adef6-5c7f-47e4-b989-5492eafa07d3"
)

// onEveryBehavior makes a claim on every cache behavior of every distribution. The pattern of the default one is "*".
func onEveryBehavior(t *testing.T, claim func(t *testing.T, s stack, pattern string, behavior resource)) {
	t.Helper()
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		d := s.Resource(t, distribution)
		claim(t, s, "*", d.Get("default_cache_behavior").(map[string]any))
		for _, behavior := range d.Get("ordered_cache_behavior").([]any) {
			behavior := resource(behavior.(map[string]any))
			claim(t, s, behavior.Text("path_pattern"), behavior)
		}
	})
}

func TestEachPathGoesToItsOrigin(t *testing.T) {
	onEveryBehavior(t, func(t *testing.T, s stack, pattern string, behavior resource) {
		origin := "frontend"
		if slices.Contains(s.Environment().Frontend.APIPaths, pattern) {
			origin = "backend"
		}
		behavior.Want(t, origin, "target_origin_id")
	})
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		d := s.Resource(t, distribution)
		paths := s.Environment().Frontend.APIPaths
		// CloudFront uses the first pattern that matches.
		d.Want(t, config.AssetsPath+"*", "ordered_cache_behavior", 0, "path_pattern")
		equal(t, "ordered behaviors", len(d.Get("ordered_cache_behavior").([]any)), 1+len(paths))
	})
}

func TestTheOriginsAreThePrivateBucketAndTheLoadBalancer(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		for _, origin := range s.Resource(t, distribution).Get("origin").([]any) {
			switch origin := resource(origin.(map[string]any)); origin.Text("origin_id") {
			case "frontend":
				// The REST endpoint: the website endpoint does not support an identity.
				origin.Want(t, ref("aws_s3_bucket.frontend", "bucket_regional_domain_name"), "domain_name")
				identity, control := any(nil), any(nil)
				switch access := s.Environment().Frontend.OriginAccess; access {
				case "oai":
					identity = ref("aws_cloudfront_origin_access_identity.frontend_origin_access_identity", "cloudfront_access_identity_path")
				case "oac":
					control = ref("aws_cloudfront_origin_access_control.frontend_origin_access_control", "id")
				default:
					t.Errorf("originAccess: %q", access)
				}
				origin.Want(t, identity, "s3_origin_config", "origin_access_identity")
				origin.Want(t, control, "origin_access_control_id")
			case "backend":
				origin.Want(t, ref(loadBalancer(s), "dns_name"), "domain_name")
				if s.Environment().Network.PrivateOrigin {
					vpcOrigin, _ := s.Only(t, "aws_cloudfront_vpc_origin")
					origin.Want(t, ref(vpcOrigin, "id"), "vpc_origin_config", "vpc_origin_id")
					origin.Want(t, nil, "custom_origin_config") // over the internet
					continue
				}
				origin.Want(t, nil, "vpc_origin_config")
				protocol := "http-only"
				if s.Environment().Domain != nil {
					protocol = "https-only"
				}
				origin.Want(t, protocol, "custom_origin_config", "origin_protocol_policy")
				origin.Want(t, 80.0, "custom_origin_config", "http_port")
				origin.Want(t, 443.0, "custom_origin_config", "https_port")
				equal(t, "TLS to the origin", origin.Strings("custom_origin_config", "origin_ssl_protocols"), []string{"TLSv1.2"})
			default:
				t.Errorf("unknown origin %v", origin)
			}
		}
	})
}

func TestAnAPIPathIsNotCachedAndHasTheViewersHost(t *testing.T) {
	onEveryBehavior(t, func(t *testing.T, s stack, pattern string, behavior resource) {
		if behavior.Text("target_origin_id") != "backend" {
			return
		}
		behavior.Want(t, managedCachingDisabled, "cache_policy_id")
		behavior.Want(t, managedAllViewer, "origin_request_policy_id")
		behavior.Want(t, "https-only", "viewer_protocol_policy") // a redirected POST arrives as a GET without its body
		equalSets(t, "methods of "+pattern, behavior.Strings("allowed_methods"), []string{"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"})
	})
}

// Otherwise an error of the API is shown to every viewer of an edge location for ten seconds, and a page of its own would rewrite the
// API's responses.
func TestErrorsAreNotCachedAndHaveNoPage(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		var codes []float64
		for _, each := range s.Resource(t, distribution).Get("custom_error_response").([]any) {
			response := resource(each.(map[string]any))
			codes = append(codes, response.Get("error_code").(float64))
			response.Want(t, 0.0, "error_caching_min_ttl")
			response.Want(t, nil, "response_page_path")
			response.Want(t, nil, "response_code")
		}
		// The errors that CloudFront always caches
		// (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html).
		equal(t, "errors that are not cached", codes, []float64{404, 405, 414, 500, 501, 502, 503, 504})
	})
}

func TestEveryPathIsHTTPSAndHasSecurityHeadersAndFilesAreCompressed(t *testing.T) {
	onEveryBehavior(t, func(t *testing.T, s stack, pattern string, behavior resource) {
		if protocol := behavior.Text("viewer_protocol_policy"); protocol != "https-only" && protocol != "redirect-to-https" {
			t.Errorf("%s: %s", pattern, protocol)
		}
		behavior.Want(t, behavior.Text("target_origin_id") == "frontend", "compress")
		behavior.Want(t, ref("aws_cloudfront_response_headers_policy.security_headers", "id"), "response_headers_policy_id")
	})
}

func TestAssetsAreCachedLongAndPagesBriefly(t *testing.T) {
	onEveryBehavior(t, func(t *testing.T, s stack, pattern string, behavior resource) {
		switch pattern {
		case config.AssetsPath + "*":
			behavior.Want(t, managedCachingOptimized, "cache_policy_id")
		case "*":
			policy := s.Resource(t, addressOf(behavior.Text("cache_policy_id")))
			for _, limit := range []string{"default_ttl", "max_ttl"} {
				if seconds, ok := policy.Get(limit).(float64); !ok || seconds > 60 {
					t.Errorf("%s is %v seconds", limit, policy.Get(limit))
				}
			}
			policy.Want(t, 0.0, "min_ttl")
			const key = "parameters_in_cache_key_and_forwarded_to_origin"
			policy.Want(t, "none", key, "cookies_config", "cookie_behavior")
			policy.Want(t, "none", key, "headers_config", "header_behavior")
			policy.Want(t, "none", key, "query_strings_config", "query_string_behavior")
			policy.Want(t, true, key, "enable_accept_encoding_brotli")
			policy.Want(t, true, key, "enable_accept_encoding_gzip")
		}
	})
}

func TestOnlyPathsOfPagesAreRewritten(t *testing.T) {
	onEveryBehavior(t, func(t *testing.T, s stack, pattern string, behavior resource) {
		if pattern != "*" {
			behavior.Want(t, nil, "function_association")
			return
		}
		behavior.Want(t, "viewer-request", "function_association", 0, "event_type")
		behavior.Want(t, ref("aws_cloudfront_function.client_side_routes", "arn"), "function_association", 0, "function_arn")
	})
}
