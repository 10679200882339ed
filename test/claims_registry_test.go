package test

import (
	"encoding/json"
	"testing"
)

func TestImagesAreScannedEncryptedAndNeverReplacedUnderTheirTag(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		_, images := s.only(t, "aws_ecr_repository")
		images.want(t, true, "image_scanning_configuration", "scan_on_push")
		images.want(t, "IMMUTABLE", "image_tag_mutability")
		images.want(t, "AES256", "encryption_configuration", 0, "encryption_type")
	})
}

func TestUntaggedImagesAndAllButTheNewestExpire(t *testing.T) {
	_, lifecycle := production(t).only(t, "aws_ecr_lifecycle_policy")
	lifecycle.want(t, ref("aws_ecr_repository.backend_images", "name"), "repository")

	type selection struct {
		TagStatus, CountType, CountUnit string
		CountNumber                     int
	}
	var policy struct {
		Rules []struct {
			RulePriority int
			Selection    selection
			Action       struct{ Type string }
		}
	}
	if err := json.Unmarshal([]byte(lifecycle.text("policy")), &policy); err != nil {
		t.Fatal(err)
	}
	want := []selection{
		{"untagged", "sinceImagePushed", "days", 7},
		{"any", "imageCountMoreThan", "", 30},
	}
	if len(policy.Rules) != len(want) {
		t.Fatalf("%d rules, want %d", len(policy.Rules), len(want))
	}
	for i, rule := range policy.Rules {
		equal(t, "selection", rule.Selection, want[i])
		equal(t, "action", rule.Action.Type, "expire")
		// ECR wants the rule on any image to come last.
		equal(t, "priority", rule.RulePriority, i+1)
	}
}

func TestTheReleaseIsWrittenByReleasesAndNotByTerraform(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		release := s.resource(t, "aws_ssm_parameter.release")
		release.want(t, "/starttech/"+s.name+"/release", "name")
		release.want(t, "String", "type")
		release.want(t, "none", "insecure_value")
		equal(t, "ignored", release.strings("lifecycle", "ignore_changes"), []string{"insecure_value", "allowed_pattern"})
	})
}
