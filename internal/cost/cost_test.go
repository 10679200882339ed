package cost

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"
)

var update = flag.Bool("update", false, "rewrite the golden files; read their diff")

// snapshot is the resources of a reference environment, or of its bootstrap stack.
func snapshot(t *testing.T, name string) []Resource {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "test", "testdata", "snapshots", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	region, resources, err := FromStack(content)
	if err != nil {
		t.Fatal(err)
	}
	if region != Region {
		t.Fatalf("the region of %s is %q", name, region)
	}
	return resources
}

// The sum of the reference production, by hand, for 730 hours:
//
//	2 t3.micro                  2 × 730 × 0.0114 = 16.644
//	2 volumes of 8 GiB gp2           2 × 8 × 0.11 =  1.76
//	2 × 7 detailed metrics          2 × 7 × 0.30 =  4.20
//	2 cache.t3.micro             2 × 730 × 0.018 = 26.28
//	load balancer                   730 × 0.0252 = 18.396
//	its 2 addresses              2 × 730 × 0.005 =  7.30
//	NAT gateway                      730 × 0.048 = 35.04
//	its address                      730 × 0.005 =  3.65
//	11 metrics of 10 alarms            11 × 0.10 =  1.10
//	dashboard                                       3.00
//	key                                             1.00
//	                                              118.37
//
// Reserved for a year, the instances cost 2 × 730 × 0.0072 = 10.512 and the nodes 2 × 730 × 0.012 = 17.52; for three years
// 2 × 730 × 0.0049 = 7.154 and 2 × 730 × 0.009 = 13.14. With 5 instances, 3 more cost 24.966 + 2.64 + 6.30 more.
func TestProductionCosts(t *testing.T) {
	estimate := Of(snapshot(t, "production"))
	want := Amounts{11837, 11837 - 613 - 876, 11837 - 949 - 1314, 11837 + 2497 + 264 + 630}
	if diff := cmp.Diff(want, estimate.Total); diff != "" {
		t.Errorf("total (-want +got):\n%s", diff)
	}
	for what, list := range map[string][]string{"notes": estimate.Notes, "no price": estimate.NoPrice, "not priced": estimate.NotPriced} {
		if len(list) > 0 {
			t.Errorf("%s: %q", what, list)
		}
	}
	for _, name := range []string{"production", "staging", "bootstrap"} {
		golden(t, name, Of(snapshot(t, name)).Text())
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestComponentsAddUp(t *testing.T) {
	estimate := Of(snapshot(t, "production"))
	var total Amounts
	for _, component := range estimate.Components {
		var sum Amounts
		for _, item := range component.Items {
			sum = sum.plus(item.Amounts)
		}
		if sum != component.Total {
			t.Errorf("%s: the items are %+v, the total is %+v", component.Name, sum, component.Total)
		}
		total = total.plus(sum)
	}
	if total != estimate.Total {
		t.Errorf("the components are %+v, the total is %+v", total, estimate.Total)
	}
}

func TestEveryPriceHasASource(t *testing.T) {
	date := regexp.MustCompile(`^20[0-9]{2}-[0-9]{2}-[0-9]{2}$`)
	check := func(name string, usd float64, source *Source) {
		t.Helper()
		if !(usd > 0) || math.IsInf(usd, 0) {
			t.Errorf("%s costs %v", name, usd)
		}
		if !date.MatchString(source.Date) || source.Date > time.Now().UTC().Format(time.DateOnly) || !strings.HasPrefix(source.URL, "https://") {
			t.Errorf("the source of %s is %+v", name, source)
		}
	}
	names := map[string]bool{}
	for _, p := range table {
		check(p.name, p.usd, p.source)
		if p.unit == "" || names[p.name+string(p.unit)] {
			t.Errorf("%s: no unit, or a second price of the same name", p.name)
		}
		names[p.name+string(p.unit)] = true
	}
	for source, types := range map[*Source]map[string]rates{instanceSource: instanceRates, nodeSource: nodeRates} {
		for name, r := range types {
			check(name, r.onDemand, source)
			if !(0 < r.threeYears && r.threeYears < r.oneYear && r.oneYear < r.onDemand) {
				t.Errorf("%s: %+v is not cheaper for longer", name, r)
			}
		}
	}
}

// Each pricer is run with its type alone: it must neither panic nor use a price that is not in the table.
func TestPricersNeedNothing(t *testing.T) {
	for kind := range pricers {
		if isFree(kind) {
			t.Errorf("%s is priced and free", kind)
		}
		for _, values := range []map[string]any{nil, {}, {"min_size": "x", "rule": 1.0, "launch_template": []any{nil}}} {
			estimate := Of([]Resource{{Type: kind, Address: kind + ".x", Values: values}})
			if len(estimate.NotPriced) > 0 {
				t.Errorf("%s: not priced", kind)
			}
			if estimate.Text() == "" {
				t.Errorf("%s: no text", kind)
			}
		}
	}
	if compact := slices.Compact(slices.Sorted(slices.Values(free))); len(compact) != len(free) {
		t.Errorf("a type is twice in free")
	}
}

// group is an Auto Scaling group with its launch template.
func group(kind string, sizes map[string]any, more map[string]any) []Resource {
	values := map[string]any{"min_size": 2.0, "max_size": 5.0, "launch_template": map[string]any{"id": "${aws_launch_template.t.id}"}}
	for _, each := range []map[string]any{sizes, more} {
		for name, value := range each {
			values[name] = value
		}
	}
	return []Resource{
		{"aws_autoscaling_group", "aws_autoscaling_group.g", values},
		{"aws_launch_template", "aws_launch_template.t", map[string]any{"instance_type": kind}},
	}
}

func TestResources(t *testing.T) {
	spot := map[string]any{"launch_template": nil, "mixed_instances_policy": map[string]any{
		"launch_template":        map[string]any{"launch_template_specification": map[string]any{"launch_template_id": "${aws_launch_template.t.id}"}},
		"instances_distribution": map[string]any{"on_demand_base_capacity": 1.0, "on_demand_percentage_above_base_capacity": 50.0},
	}}
	one := func(kind, values string) []Resource {
		r := Resource{Type: kind, Address: kind + ".x"}
		if err := json.Unmarshal([]byte(values), &r.Values); err != nil {
			t.Fatal(err)
		}
		return []Resource{r}
	}
	for name, test := range map[string]struct {
		resources []Resource
		want      Amounts
		lines     []string // notes, and what is not priced
	}{
		"instances": {group("t3.micro", nil, nil), Amounts{1664, 1051, 715, 4161}, nil},
		"instances that are reserved in part: 4, of which 1 + 2 are On-Demand": {
			group("t3.micro", map[string]any{"min_size": json.Number("4")}, spot),
			Amounts{3329, 2409, 1905, 4161},
			[]string{"Spot Instances are counted as On-Demand Instances, because AWS changes their price all the time"},
		},
		"an instance type without a price": {group("x9.huge", nil, nil), Amounts{}, []string{"no price in the table for instances of type x9.huge"}},
		"a group whose size is not a number": {
			group("t3.micro", map[string]any{"max_size": 1e300}, nil),
			Amounts{},
			[]string{"no price in the table for the instances of aws_autoscaling_group.g"},
		},
		"a schedule with more instances": {
			append(group("t3.micro", nil, nil), one("aws_autoscaling_schedule", `{"autoscaling_group_name": "${aws_autoscaling_group.g.name}", "min_size": -1, "max_size": 10}`)...),
			Amounts{1664, 1051, 715, 8322},
			[]string{"scheduled actions change the number of instances; the sum has minSize of them"},
		},
		"a schedule of another group": {
			append(group("t3.micro", nil, nil), one("aws_autoscaling_schedule", `{"autoscaling_group_name": "other", "max_size": 10}`)...),
			Amounts{1664, 1051, 715, 4161},
			[]string{"scheduled actions change the number of instances; the sum has minSize of them"},
		},
		"nodes":             {one("aws_elasticache_replication_group", `{"node_type": "cache.t3.micro", "engine": "redis", "num_cache_clusters": 3}`), Amounts{3942, 2628, 1971, 3942}, nil},
		"nodes with Valkey": {one("aws_elasticache_replication_group", `{"node_type": "cache.t3.micro", "engine": "valkey", "num_cache_clusters": 3}`), Amounts{3154, 2102, 1577, 3154}, nil},
		"nodes of shards": {
			one("aws_elasticache_replication_group", `{"node_type": "cache.t3.micro", "engine": "redis", "num_node_groups": 2, "replicas_per_node_group": 1}`),
			Amounts{5256, 3504, 2628, 5256},
			nil,
		},
		"nodes with another engine": {
			one("aws_elasticache_replication_group", `{"node_type": "cache.t3.micro", "engine": "memcached", "num_cache_clusters": 3}`),
			Amounts{},
			[]string{"no price in the table for nodes of type cache.t3.micro with memcached"},
		},
		"a load balancer in three zones":   {one("aws_lb", `{"internal": false, "subnets": ["a", "b", "c"]}`), Amounts{2935, 2935, 2935, 2935}, nil},
		"an internal load balancer":        {one("aws_lb", `{"internal": true, "subnets": ["a", "b"]}`), Amounts{1840, 1840, 1840, 1840}, nil},
		"another load balancer":            {one("aws_lb", `{"load_balancer_type": "network"}`), Amounts{}, []string{"no price in the table for load balancer of type network"}},
		"a gateway endpoint":               {one("aws_vpc_endpoint", `{"vpc_endpoint_type": "Gateway"}`), Amounts{}, nil},
		"an interface endpoint, 2 zones":   {one("aws_vpc_endpoint", `{"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]}`), Amounts{1606, 1606, 1606, 1606}, nil},
		"an alarm of an expression":        {one("aws_cloudwatch_metric_alarm", `{"metric_query": [{"expression": "a/b"}, {"metric": {}}, {"metric": [{}]}]}`), Amounts{20, 20, 20, 20}, nil},
		"an alarm of a metric":             {one("aws_cloudwatch_metric_alarm", `{"metric_name": "x"}`), Amounts{10, 10, 10, 10}, nil},
		"a web ACL with two rules":         {one("aws_wafv2_web_acl", `{"rule": [{}, {}]}`), Amounts{700, 700, 700, 700}, nil},
		"Shield Advanced":                  {one("aws_shield_subscription", `{}`), Amounts{300000, 300000, 300000, 300000}, nil},
		"a budget":                         {one("aws_budgets_budget", `{}`), Amounts{}, nil},
		"an action of a budget":            {one("aws_budgets_budget_action", `{}`), Amounts{304, 304, 304, 304}, nil},
		"a secret":                         {one("aws_secretsmanager_secret", `{}`), Amounts{40, 40, 40, 40}, nil},
		"a zone":                           {one("aws_route53_zone", `{}`), Amounts{50, 50, 50, 50}, nil},
		"a parameter":                      {one("aws_ssm_parameter", `{"tier": "Standard"}`), Amounts{}, nil},
		"an advanced parameter":            {one("aws_ssm_parameter", `{"tier": "Advanced"}`), Amounts{5, 5, 5, 5}, nil},
		"a type that nobody knows":         {one("aws_new_thing", `{}`), Amounts{}, []string{"not priced: aws_new_thing"}},
		"a protection plan of GuardDuty":   {one("aws_guardduty_detector_feature", `{"name": "S3_DATA_EVENTS", "status": "ENABLED"}`), Amounts{}, []string{"GuardDuty's protection plan S3_DATA_EVENTS costs by its use, and is not in the table of prices"}},
		"a protection plan that is off":    {one("aws_guardduty_detector_feature", `{"name": "S3_DATA_EVENTS", "status": "DISABLED"}`), Amounts{}, nil},
		"a type with control characters":   {group("t3\n|", nil, nil), Amounts{}, []string{"no price in the table for instances of type (unknown)"}},
		"a type that is too long":          {group(strings.Repeat("t", 61), nil, nil), Amounts{}, []string{"no price in the table for instances of type (unknown)"}},
		"a template in place of an id":     {group("t3.micro", nil, map[string]any{"launch_template": []any{map[string]any{"version": "1"}}}), Amounts{1664, 1051, 715, 4161}, nil},
		"volumes of the launch template":   {templateOf(`{"instance_type": "t3.micro", "block_device_mappings": [{"ebs": [{"volume_size": 10, "volume_type": "gp3"}]}, {"ebs": {"volume_size": "10", "volume_type": "io2"}}]}`), Amounts{1840, 1227, 891, 4601}, []string{"no price in the table for volumes of type io2"}},
		"detailed monitoring of templates": {templateOf(`{"instance_type": "t3.micro", "monitoring": [{"enabled": true}]}`), Amounts{2084, 1471, 1135, 5211}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			estimate := Of(test.resources)
			if diff := cmp.Diff(test.want, estimate.Total); diff != "" {
				t.Errorf("total (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.lines, estimate.lines()); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			for _, line := range test.lines {
				if !strings.Contains(estimate.Text(), line+"\n") {
					t.Errorf("no %q in:\n%s", line, estimate.Text())
				}
			}
		})
	}
}

// templateOf is a group with a launch template.
func templateOf(values string) []Resource {
	resources := group("", nil, nil)
	if err := json.Unmarshal([]byte(values), &resources[1].Values); err != nil {
		panic(err)
	}
	return resources
}

// By use, each of these has a price.
func TestUse(t *testing.T) {
	for kind, want := range map[string]string{
		"aws_lambda_function": "Lambda functions: memory of running functions, runs of functions", "aws_backup_vault": "backup: backups kept",
		"aws_xray_sampling_rule": "tracing: traces read, traces recorded", "aws_guardduty_detector": "guardDuty: CloudTrail's management events analyzed, flow logs and DNS queries analyzed",
		"aws_vpc_peering_connection_accepter": "database: through a peering connection between zones, in each direction",
		"aws_cloudfront_vpc_origin":           "", "aws_ce_anomaly_monitor": "",
	} {
		text := ""
		for _, component := range Of([]Resource{{Type: kind, Address: kind + ".x"}}).Components {
			var uses []string
			for _, use := range component.Use {
				uses = append(uses, use.Name)
			}
			text += component.Name + ": " + strings.Join(uses, ", ")
		}
		if text != want {
			t.Errorf("%s: %q, want %q", kind, text, want)
		}
	}
}

func TestCheckRegion(t *testing.T) {
	if err := CheckRegion("eu-west-1"); err != nil {
		t.Error(err)
	}
	const want = `region "eu-central-1": the table of prices (internal/cost/prices.go) has those of eu-west-1 only`
	if err := CheckRegion("eu-central-1"); fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFromStackNeedsARegion(t *testing.T) {
	for content, want := range map[string]string{
		`{`: "unexpected end of JSON input",
		`{"provider": {"aws": [{"alias": "us_east_1", "region": "us-east-1"}]}}`: "the AWS provider has no region",
	} {
		if _, _, err := FromStack([]byte(content)); fmt.Sprint(err) != want {
			t.Errorf("%s: got %v, want %s", content, err, want)
		}
	}
}

func TestFromPlan(t *testing.T) {
	expression := func(data tfjson.ExpressionData) *tfjson.Expression { return &tfjson.Expression{ExpressionData: &data} }
	change := func(kind string, actions tfjson.Actions, before, after any, unknown map[string]any) *tfjson.ResourceChange {
		return &tfjson.ResourceChange{Type: kind, Address: kind + ".x", Change: &tfjson.Change{Actions: actions, Before: before, After: after, AfterUnknown: unknown}}
	}
	plan := &tfjson.Plan{
		Config: &tfjson.Config{
			ProviderConfigs: map[string]*tfjson.ProviderConfig{"aws": {Expressions: map[string]*tfjson.Expression{"region": expression(tfjson.ExpressionData{ConstantValue: "eu-west-1"})}}},
			RootModule: &tfjson.ConfigModule{Resources: []*tfjson.ConfigResource{{Address: "aws_lb.x", Expressions: map[string]*tfjson.Expression{
				"subnets": expression(tfjson.ExpressionData{References: []string{"aws_subnet.a.id", "aws_subnet.a", "aws_subnet.b.id", "aws_subnet.b"}}),
			}}}},
		},
		ResourceChanges: []*tfjson.ResourceChange{
			change("aws_lb", tfjson.Actions{tfjson.ActionCreate}, nil, map[string]any{"internal": false}, map[string]any{"subnets": true, "arn": true}),
			change("aws_kms_key", tfjson.Actions{tfjson.ActionForget}, map[string]any{}, nil, nil),
			change("aws_eip", tfjson.Actions{tfjson.ActionDelete}, map[string]any{}, nil, nil),
			change("aws_nat_gateway", tfjson.Actions{tfjson.ActionNoop}, map[string]any{}, map[string]any{}, nil),
			{Mode: tfjson.DataResourceMode, Type: "aws_new_thing", Change: &tfjson.Change{After: map[string]any{}}},
			{Type: "aws_new_thing"},
		},
	}
	region, before, after := FromPlan(plan)
	total, changed := Compare(Of(before), Of(after))
	got := fmt.Sprint(region, total, changed, Of(after).NotPriced)
	// 35.04 + 3.65 + 1.00 before; 35.04 + 1.00 + 18.40 + 7.30 after.
	if want := "eu-west-1{total 39.69 61.74} [{loadBalancer 0.00 25.70} {network 38.69 35.04}] []"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if region, _, _ := FromPlan(&tfjson.Plan{}); region != "" {
		t.Errorf("the region of an empty plan is %q", region)
	}
}

func TestCompareText(t *testing.T) {
	const want = `component     before  after  difference
loadBalancer    0.00  25.70      +25.70
network        38.69   0.00      -38.69
total          38.69  25.70      -12.99
`
	before := []Resource{{Type: "aws_nat_gateway"}, {Type: "aws_eip"}}
	after := []Resource{{Type: "aws_lb", Values: map[string]any{"subnets": []any{"a", "b"}}}}
	if diff := cmp.Diff(want, CompareText(Of(before), Of(after))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
