package claims

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// changedByProvider6 is what version 6 of the AWS provider changes in the types of resources that the stacks have: a path of arguments, and
// the values that stay valid. An argument without values is removed, deprecated, or only allowed together with another one
// (https://github.com/hashicorp/terraform-provider-aws/blob/main/website/docs/guides/version-6-upgrade.html.markdown, looked up on 2026-11-26).
var changedByProvider6 = map[string]map[string][]any{
	"aws_cloudfront_response_headers_policy": {"etag": nil},
	"aws_eip":                                {"vpc": nil},
	"aws_elasticache_replication_group": {
		"auth_token": nil, "engine": {"redis", "valkey"}, "at_rest_encryption_enabled": nullableBooleans, "auto_minor_version_upgrade": nullableBooleans,
	},
	"aws_elasticache_user":       {"engine": {"redis", "valkey"}},
	"aws_elasticache_user_group": {"engine": {"redis", "valkey"}},
	"aws_flow_log":               {"log_group_name": nil},
	"aws_guardduty_detector":     {"datasources": nil},
	"aws_launch_template": {
		"elastic_gpu_specifications": nil, "elastic_inference_accelerator": nil, "ebs_optimized": nullableBooleans,
		"block_device_mappings.ebs.delete_on_termination": nullableBooleans, "block_device_mappings.ebs.encrypted": nullableBooleans,
		"network_interfaces.associate_carrier_ip_address": nullableBooleans, "network_interfaces.associate_public_ip_address": nullableBooleans,
		"network_interfaces.delete_on_termination": nullableBooleans, "network_interfaces.primary_ipv6": nullableBooleans,
	},
	"aws_lb_listener":     {"mutual_authentication": nil},
	"aws_lb_target_group": {"preserve_client_ip": nullableBooleans},
	"aws_s3_bucket":       {"region": nil}, // an attribute of this name has another meaning
	"aws_wafv2_web_acl":   {"rule.statement.managed_rule_group_statement.managed_rule_group_configs.aws_managed_rules_bot_control_rule_set": nil},
}

var nullableBooleans = []any{"", "true", "false"}

// attributeOfBucket is a reference to the region of a bucket, which is bucket_region in version 6.
var attributeOfBucket = regexp.MustCompile(`\baws_s3_bucket\.\w+\.region\b`)

func TestStacksNeedNoEditForProvider6(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(harness.Root, "docs", "leaving.md"))
	page := string(harness.Must(t, content, err))
	used := map[string]bool{}
	onEveryStack(t, func(t *testing.T, s stack) {
		for address, r := range s.Resources() {
			kind, _, _ := strings.Cut(address, ".")
			for path, valid := range changedByProvider6[kind] {
				for _, value := range valuesAt(map[string]any(r), strings.Split(path, ".")) {
					if !slices.Contains(valid, value) {
						t.Errorf("%s: provider 6 does not accept %s = %v; allowed: %v", address, path, value, valid)
					}
					used[kind+"."+path] = true
				}
			}
		}
		if reference := attributeOfBucket.Find(s.JSON); reference != nil {
			t.Errorf("provider 6 has another meaning of %s", reference)
		}
	})
	if len(used) < 5 {
		t.Errorf("the stacks use only %v", slices.Sorted(maps.Keys(used)))
	}
	for argument := range used {
		kind, path, _ := strings.Cut(argument, ".")
		if row := fmt.Sprintf("| `%s` | `%s` | ", kind, path); !strings.Contains(page, row) {
			t.Errorf("docs/leaving.md lacks %q, which the stacks use and version 6 of the provider changes", row)
		}
	}
}

// valuesAt returns the values at a path of arguments. A block can be repeated.
func valuesAt(value any, path []string) (values []any) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			values = append(values, valuesAt(element, path)...)
		}
	case map[string]any:
		if len(path) > 0 && value[path[0]] != nil {
			values = valuesAt(value[path[0]], path[1:])
		}
	default:
		if len(path) == 0 {
			values = []any{value}
		}
	}
	if len(path) == 0 && values == nil {
		values = []any{value} // a block
	}
	return values
}
