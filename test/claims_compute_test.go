package test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestAnInstanceIsWhatTheDocumentSays(t *testing.T) {
	_, template := production(t).only(t, "aws_launch_template")
	template.want(t, "t3.micro", "instance_type")
	template.want(t, "/dev/xvda", "block_device_mappings", 0, "device_name") // the root device of Amazon Linux
	template.want(t, "gp2", "block_device_mappings", 0, "ebs", "volume_type")
	template.want(t, 8.0, "block_device_mappings", 0, "ebs", "volume_size")
	template.want(t, "true", "block_device_mappings", 0, "ebs", "encrypted")
	template.want(t, "true", "block_device_mappings", 0, "ebs", "delete_on_termination")
}

func TestTheImageIsTheNewestAmazonLinuxOfTheGenerationInTheFile(t *testing.T) {
	for name, image := range map[string]string{
		"production": "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2",
		"modern":     "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
	} {
		s := variant(t, name)
		s.resource(t, "data.aws_ssm_parameter.amazon_linux").want(t, image, "name")
		_, template := s.only(t, "aws_launch_template")
		template.want(t, ref("data.aws_ssm_parameter.amazon_linux", "insecure_value"), "image_id")
	}
}

func TestNoInstanceHasAPublicAddress(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, template := s.only(t, "aws_launch_template")
		template.want(t, "false", "network_interfaces", 0, "associate_public_ip_address")
		if n := len(template.get("network_interfaces").([]any)); n != 1 {
			t.Errorf("%d network interfaces", n)
		}
		// Session Manager or SSH by the operator's own key, never a key pair of the template.
		template.want(t, nil, "key_name")
	})
}

func TestMetadataNeedsATokenAndReachesContainers(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, template := s.only(t, "aws_launch_template")
		template.want(t, "required", "metadata_options", "http_tokens")
		template.want(t, "enabled", "metadata_options", "http_endpoint")
		template.want(t, 2.0, "metadata_options", "http_put_response_hop_limit")
	})
}

func TestInstancesAndVolumesCarryTheDefaultTags(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		want := map[string]any{"Name": "starttech-" + s.name + "-backend"}
		for key, value := range s.defaultTags(t) {
			want[key] = value
		}
		_, template := s.only(t, "aws_launch_template")
		var kinds []string
		specifications, _ := template.get("tag_specifications").([]any)
		for i := range specifications {
			kinds = append(kinds, template.text("tag_specifications", i, "resource_type"))
			equal(t, "tags", template.get("tag_specifications", i, "tags"), want)
		}
		equalSets(t, "tagged", kinds, []string{"instance", "volume", "network-interface"})

		_, group := s.only(t, "aws_autoscaling_group")
		got := map[string]any{}
		for _, tag := range group.get("tag").([]any) {
			tag := resource(tag.(map[string]any))
			tag.want(t, true, "propagate_at_launch")
			got[tag.text("key")] = tag.get("value")
		}
		equal(t, "tags of the group", got, want)
	})
}

func TestTheGroupIsAsLargeAsItsFileSays(t *testing.T) {
	for name, size := range map[string][3]float64{"production": {2, 2, 5}, "staging": {1, 1, 2}} {
		_, group := variant(t, name).only(t, "aws_autoscaling_group")
		group.want(t, size[0], "min_size")
		group.want(t, size[1], "desired_capacity")
		group.want(t, size[2], "max_size")
	}
}

func TestTheInstancesLiveInThePrivateTierOfAllZones(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, group := s.only(t, "aws_autoscaling_group")
		equalSets(t, "subnets", group.strings("vpc_zone_identifier"), refs("id", s.privateSubnets(t)...))
	})
}

// privateSubnets is the subnets that the internet does not reach.
func (s stack) privateSubnets(t *testing.T) []string {
	t.Helper()
	var private []string
	for address := range s.ofType("aws_subnet") {
		if s.wayOut(t, address) != "out by the internet_gateway" {
			private = append(private, address)
		}
	}
	return private
}

func TestAnInstanceThatFailsTheLoadBalancersCheckIsReplacedOnceItHadTimeToBoot(t *testing.T) {
	_, group := production(t).only(t, "aws_autoscaling_group")
	equal(t, "target groups", group.strings("target_group_arns"), refs("arn", "aws_lb_target_group.backend_targets"))
	group.want(t, "ELB", "health_check_type")
	group.want(t, 300.0, "health_check_grace_period")
	group.want(t, 300.0, "default_instance_warmup")
}

func TestTheGroupFollowsItsCPU(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, policy := s.only(t, "aws_autoscaling_policy")
		policy.want(t, ref("aws_autoscaling_group.backend", "name"), "autoscaling_group_name")
		policy.want(t, "TargetTrackingScaling", "policy_type")
		policy.want(t, "ASGAverageCPUUtilization", "target_tracking_configuration", "predefined_metric_specification", "predefined_metric_type")
		policy.want(t, 60.0, "target_tracking_configuration", "target_value")

		// An apply must not undo what the policy did.
		_, group := s.only(t, "aws_autoscaling_group")
		equal(t, "ignored", group.strings("lifecycle", "ignore_changes"), []string{"desired_capacity"})
	})
}

func TestANewTemplateRollsThroughTheGroup(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, group := s.only(t, "aws_autoscaling_group")
		group.want(t, "Rolling", "instance_refresh", "strategy")
		group.want(t, false, "instance_refresh", "preferences", "auto_rollback") // it would roll back to the new template
		if least, _ := group.get("instance_refresh", "preferences", "min_healthy_percentage").(float64); least < 100 {
			t.Errorf("a refresh leaves %v%% of the instances", least)
		}
		// A refresh starts when this number changes; $Latest never changes.
		template := group.text("launch_template", "version") + group.text("mixed_instances_policy", "launch_template", "launch_template_specification", "version")
		equal(t, "version", template, ref("aws_launch_template.backend_launch_template", "latest_version"))
	})
}

func TestSpotInstancesAreWhatTheFileAsksFor(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, group := s.only(t, "aws_autoscaling_group")
		if s.name != "modern" {
			group.want(t, nil, "mixed_instances_policy")
			return
		}
		group.want(t, nil, "launch_template")
		group.want(t, 1.0, "mixed_instances_policy", "instances_distribution", "on_demand_base_capacity")
		group.want(t, 25.0, "mixed_instances_policy", "instances_distribution", "on_demand_percentage_above_base_capacity")
	})
}

func TestNoInstanceBootsBeforeItCanReachAWS(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		want := []string{"aws_iam_role_policy.instance_permissions"}
		for address, route := range s.ofType("aws_route") {
			if route.text("nat_gateway_id") != "" {
				want = append(want, address)
			}
		}
		for address := range s.ofType("aws_vpc_endpoint") {
			want = append(want, address)
		}
		_, group := s.only(t, "aws_autoscaling_group")
		after := group.strings("depends_on")
		for _, address := range want {
			if !slices.Contains(after, address) {
				t.Errorf("instances do not wait for %s", address)
			}
		}
	})
}

// bootScript is the user data as an instance gets it, but for Terraform's references.
func (s stack) bootScript(t *testing.T) string {
	t.Helper()
	_, template := s.only(t, "aws_launch_template")
	template.want(t, "${base64encode(local.boot_script)}", "user_data")
	return resource(s.body).text("locals", "boot_script")
}

var bootSetting = regexp.MustCompile(`(?ms)^([A-Z_]+)='(.*?)'$`)

func TestUserDataHoldsTheSettings(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		script := s.bootScript(t)
		if !strings.HasPrefix(script, "#!/bin/bash\n") {
			t.Errorf("cloud-init does not run a script that begins with %q", script[:20])
		}
		header, _, _ := strings.Cut(script, "\n# Boots")
		settings := resource{}
		for _, m := range bootSetting.FindAllStringSubmatch(header, -1) {
			settings[m[1]] = m[2]
		}
		path := "/starttech/" + s.name
		site := ref("aws_cloudfront_distribution.frontend_distribution", "domain_name")
		check := "/ping"
		switch s.name {
		case "own-domain":
			site = "app.example.com"
		case "open":
			check = "/health"
		}

		environment, _ := settings["ENVIRONMENT"].(string)
		delete(settings, "ENVIRONMENT")
		equal(t, "settings", settings, resource{
			"REGION":            "eu-west-1",
			"REPOSITORY_URL":    ref("aws_ecr_repository.backend_images", "repository_url"),
			"RELEASE_PARAMETER": ref("aws_ssm_parameter.release", "name"),
			"PARAMETER_PATH":    path + "/backend/",
			"LOG_GROUP":         ref("aws_cloudwatch_log_group.backend_logs", "name"),
			"PORT":              "8080",
			"HEALTH_CHECK_PATH": check,
		})
		equalSets(t, "the backend's variables", strings.Split(environment, "\n"), []string{
			"PORT=8080",
			"LOG_FORMAT=json",
			"LOG_LEVEL=INFO",
			"ENABLE_CACHE=true",
			"REDIS_ADDR=" + ref("aws_elasticache_replication_group.redis", "primary_endpoint_address") + ":6379",
			"ALLOWED_ORIGINS=https://" + site,
			"COOKIE_DOMAINS=" + site,
			"SECURE_COOKIE=true",
		})
	})
}
