package compute

import (
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/autoscalingschedule"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
)

// NewSchedule creates
//
//	AutoScalingGroup <- Schedule per action, replaced with its times
//
// In the provider, the times of an action are computed if the file does not set them, so a changed action would keep its old next time
// (https://github.com/hashicorp/terraform-provider-aws/issues/38983). The actions change the group's sizes, so Terraform sets these once only.
func NewSchedule(scope constructs.Construct, backend *Output, schedule config.Schedule) {
	backend.Group.AddOverride(jsii.String("lifecycle.ignore_changes"), []string{"max_size", "min_size"}) // appends
	for _, action := range schedule.Actions {
		id := "schedule_" + strings.ReplaceAll(action.Name, "-", "_")
		times := cdktf.NewDataResource(scope, jsii.String(id+"_times"), &cdktf.DataConfig{Input: &map[string]any{
			"recurrence": action.Recurrence, "time_zone": action.TimeZone, "start_time": action.StartTime, "end_time": action.EndTime,
		}})
		autoscalingschedule.NewAutoscalingSchedule(scope, jsii.String(id), &autoscalingschedule.AutoscalingScheduleConfig{
			Lifecycle:            &cdktf.TerraformResourceLifecycle{ReplaceTriggeredBy: &[]any{"terraform_data." + *times.FriendlyUniqueId()}},
			ScheduledActionName:  jsii.String(action.Name),
			AutoscalingGroupName: backend.Name,
			Recurrence:           text(action.Recurrence),
			TimeZone:             text(action.TimeZone),
			StartTime:            text(action.StartTime),
			EndTime:              text(action.EndTime),
			MinSize:              size(action.MinSize),
			MaxSize:              size(action.MaxSize),
			DesiredCapacity:      size(action.DesiredCapacity),
		})
	}
}

// text is an argument that is left out if it is empty.
func text(value string) *string {
	if value == "" {
		return nil
	}
	return jsii.String(value)
}

// size is a size of the group, or the provider's value for a size that stays as it is
// (https://registry.terraform.io/providers/hashicorp/aws/5.100.0/docs/resources/autoscaling_schedule).
func size(value int) *float64 {
	if value == 0 {
		value = -1
	}
	return jsii.Number(value)
}
