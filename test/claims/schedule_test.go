package claims

import (
	"maps"
	"slices"
	"testing"
)

// An apply must not undo what the scaling policy and the schedule did.
func TestADeployKeepsTheSizesOfTheGroup(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		want := []string{"desired_capacity"}
		if s.Environment().Schedule != nil {
			want = append(want, "max_size", "min_size")
		}
		equalSets(t, "what Terraform ignores", s.Resource(t, "aws_autoscaling_group.backend").Strings("lifecycle", "ignore_changes"), want)
	})
}

func TestThereAreTheScheduledActionsOfTheFile(t *testing.T) {
	onEveryEnvironment(t, func(t *testing.T, s stack) {
		var want, got []string
		if schedule := s.Environment().Schedule; schedule != nil {
			for _, action := range schedule.Actions {
				want = append(want, action.Name)
			}
		}
		for r := range maps.Values(s.OfType("aws_autoscaling_schedule")) {
			got = append(got, r.Text("scheduled_action_name"))
		}
		equalSets(t, "scheduled actions", slices.Sorted(slices.Values(got)), want)
	})
	// Otherwise the provider sends the old next time with a changed recurrence.
	row{"aws_autoscaling_schedule.schedule_office_hours", at("lifecycle", "replace_triggered_by", 0), "terraform_data.schedule_office_hours_times"}.check(t, component(t, "schedule"))
	row{"terraform_data.schedule_office_hours_times", at("input", "end_time"), "2099-12-31T00:00:00Z"}.check(t, component(t, "schedule"))
	row{"aws_autoscaling_schedule.schedule_office_hours", at("end_time"), "2099-12-31T00:00:00Z"}.check(t, component(t, "schedule"))
}
