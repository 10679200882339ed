package test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTwoEnvironmentsOfAnAccountShareNoName(t *testing.T) {
	named := map[string]string{}
	for _, s := range []stack{production(t), staging(t)} {
		for address, r := range s.resources() {
			kind, _, _ := strings.Cut(address, ".")
			if kind == "data" || kind == "aws_iam_role_policy" { // AWS's own; a name within its role
				continue
			}
			for attribute, name := range r.names() {
				key := kind + "." + attribute + " " + name
				if other, taken := named[key]; taken {
					t.Errorf("%s and %s of %s are both %s", other, address, s.name, name)
				}
				named[key] = address + " of " + s.name
			}
		}
	}
}

// names is the physical names among the properties, by attribute; names that refer to another resource's are not.
func (r resource) names() map[string]string {
	names := map[string]string{}
	for _, attribute := range []string{"name", "bucket", "alarm_name", "dashboard_name", "replication_group_id", "policy_name"} {
		if name := r.text(attribute); name != "" && !strings.Contains(name, "${") {
			names[attribute] = name
		}
	}
	return names
}

// nameLimits is what AWS accepts, by the pages of the APIs that create the resources.
var nameLimits = map[string]string{
	"aws_autoscaling_group":                   `^[\x20-\x7e]{1,255}$`,
	"aws_autoscaling_policy":                  `^[\x20-\x7e]{1,255}$`,
	"aws_cloudfront_cache_policy":             `^[A-Za-z0-9_-]{1,128}$`,
	"aws_cloudfront_function":                 `^[A-Za-z0-9_-]{1,64}$`,
	"aws_cloudfront_response_headers_policy":  `^[A-Za-z0-9_-]{1,128}$`,
	"aws_cloudwatch_dashboard":                `^[A-Za-z0-9_-]{1,255}$`,
	"aws_cloudwatch_log_delivery_destination": `^[A-Za-z0-9_-]{1,60}$`,
	"aws_cloudwatch_log_delivery_source":      `^[A-Za-z0-9_-]{1,60}$`,
	"aws_cloudwatch_log_group":                `^[.\-_/#A-Za-z0-9]{1,512}$`,
	"aws_cloudwatch_log_resource_policy":      `^[A-Za-z0-9_-]{1,255}$`,
	"aws_cloudwatch_metric_alarm":             `^[\x20-\x7e]{1,255}$`,
	"aws_dynamodb_table":                      `^[A-Za-z0-9_.-]{3,255}$`,
	"aws_ecr_repository":                      `^[a-z0-9]+([._/-][a-z0-9]+)*$`,
	"aws_elasticache_replication_group":       `^[a-z](-?[a-z0-9]){0,39}$`,
	"aws_elasticache_subnet_group":            `^[a-z0-9 -]{1,255}$`,
	"aws_iam_instance_profile":                `^[\w+=,.@-]{1,128}$`,
	"aws_iam_role":                            `^[\w+=,.@-]{1,64}$`,
	"aws_iam_role_policy":                     `^[\w+=,.@-]{1,128}$`,
	"aws_kms_alias":                           `^alias/[A-Za-z0-9/_-]{1,250}$`,
	"aws_launch_template":                     `^[A-Za-z0-9().\-/_]{3,128}$`,
	"aws_lb":                                  `^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$`,
	"aws_lb_target_group":                     `^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$`,
	"aws_route53_record":                      `^[a-z0-9.-]{1,253}$`,
	"aws_s3_bucket":                           `^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`,
	"aws_security_group":                      `^[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`,
	"aws_sns_topic":                           `^[A-Za-z0-9_-]{1,256}$`,
	"aws_ssm_parameter":                       `^(/[A-Za-z0-9_.-]+){1,15}$`,
}

func TestEveryNameMadeFromTheLongestEnvironmentsFitsAWSsLimits(t *testing.T) {
	t.Parallel()
	s := extremes(t).stack(t, longestName)
	for _, address := range slices.Sorted(maps.Keys(s.resources())) {
		kind, _, _ := strings.Cut(address, ".")
		for attribute, name := range s.resource(t, address).names() {
			if kind == "data" {
				continue // AWS's own
			}
			limit, known := nameLimits[kind]
			if !known {
				t.Errorf("%s: what does AWS accept as its %s? Add it to nameLimits", address, attribute)
			} else if !regexp.MustCompile(limit).MatchString(name) {
				t.Errorf("%s: %s %q does not match %s", address, attribute, name, limit)
			}
		}
	}
}
