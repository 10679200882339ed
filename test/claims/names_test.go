package claims

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

const longestName = "fourteen-chars"

// names is the physical names of a stack, by address and attribute. References to other resources' names are left out.
func names(s stack) map[string]string {
	all := map[string]string{}
	for address, r := range s.Resources() {
		if strings.HasPrefix(address, "data.") {
			continue // AWS's own
		}
		for _, attribute := range []string{"name", "bucket", "alarm_name", "dashboard_name", "replication_group_id", "policy_name"} {
			if name := r.Text(attribute); name != "" && !strings.Contains(name, "${") {
				all[address+" "+attribute] = name
			}
		}
	}
	return all
}

func TestEnvironmentsOfAnAccountHaveDifferentNames(t *testing.T) {
	for _, output := range []harness.Output{harness.Reference(t), harness.Operator(t)} {
		used := map[string]string{}
		for _, s := range output.Stacks {
			for attribute, name := range names(s) {
				kind, _, _ := strings.Cut(attribute, ".")
				if kind == "aws_iam_role_policy" || kind == "aws_route53_record" { // a name within its role; a domain is checked by config
					continue
				}
				key := s.Environment().Account + s.Environment().Region + kind + " " + name
				if other, ok := used[key]; ok {
					t.Errorf("%s and %s of %s are both %s", other, attribute, s.Name, name)
				}
				used[key] = attribute + " of " + s.Name
			}
		}
	}
}

// nameLimits is what AWS accepts, from the API pages of the resources.
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
	"aws_cloudwatch_query_definition":         `^([^:*/]+/?)*[^:*/]{1,255}$`,
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

func TestNamesFitAWSsLimits(t *testing.T) {
	stacks := maps.Clone(harness.Operator(t).Stacks)
	stacks[longestName] = harness.Extremes(t).Stack(t, longestName)
	for _, s := range stacks {
		for attribute, name := range names(s) {
			kind, _, _ := strings.Cut(attribute, ".")
			if kind == "aws_iam_policy" {
				kind = "aws_iam_role_policy"
			}
			limit, ok := nameLimits[kind]
			if !ok {
				t.Errorf("%s: what does AWS accept? Add it to nameLimits", attribute)
			} else if !regexp.MustCompile(limit).MatchString(name) {
				t.Errorf("%s %q does not match %s", attribute, name, limit)
			}
		}
	}
}
