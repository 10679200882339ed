package review

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// unusedDays is the days after which a permission counts as unused. IAM reports at least 400 days, with a delay of four hours
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_GenerateServiceLastAccessedDetails.html).
const unusedDays = 90

// reportTimeout limits the wait for IAM's report of a role, which takes seconds.
const reportTimeout = 2 * time.Minute

// roles returns the names of the environment's roles.
func (r *reviewer) roles() []string {
	kinds := []string{"instance", "release"}
	if r.Network.FlowLogs {
		kinds = append(kinds, "flow-logs")
	}
	if r.Secrets != nil {
		kinds = append(kinds, "rotation")
	}
	var names []string
	for _, kind := range kinds {
		names = append(names, r.NamePrefix()+"-"+kind)
	}
	return names
}

// unusedPermissions finds what a role is allowed, and has not used for unusedDays: services, and those actions of used services that IAM tracks
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed-action-last-accessed.html). An attempt that was denied
// counts as use.
func (r *reviewer) unusedPermissions(ctx context.Context, a *answer, name string) error {
	client := iam.NewFromConfig(r.settings)
	role, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return err
	}
	if age := r.days(aws.ToTime(role.Role.CreateDate)); age < unusedDays {
		a.unknown("the role exists for %d days; the review needs %d", age, unusedDays)
		return nil
	}
	services, err := lastAccessed(ctx, client, aws.ToString(role.Role.Arn))
	if err != nil {
		return err
	}
	isUnused := func(last *time.Time) bool { return r.days(aws.ToTime(last)) >= unusedDays } // a zero time is old
	var unused []string
	for _, service := range services {
		namespace := aws.ToString(service.ServiceNamespace)
		if isUnused(service.LastAuthenticated) {
			unused = append(unused, namespace+":*")
			continue
		}
		for _, action := range service.TrackedActionsLastAccessed {
			if isUnused(action.LastAccessedTime) {
				unused = append(unused, namespace+":"+aws.ToString(action.ActionName))
			}
		}
	}
	if len(unused) == 0 {
		a.ok("it has used all %d services within %d days", len(services), unusedDays)
		return nil
	}
	a.attention("remove them from the role's policy, unless a rare procedure needs them", "not used for %d days: %s", unusedDays, strings.Join(unused, ", "))
	return nil
}

// lastAccessed generates IAM's report of a role, and returns it.
func lastAccessed(ctx context.Context, client *iam.Client, arn string) ([]iamtypes.ServiceLastAccessed, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	job, err := client.GenerateServiceLastAccessedDetails(ctx, &iam.GenerateServiceLastAccessedDetailsInput{
		Arn: &arn, Granularity: iamtypes.AccessAdvisorUsageGranularityTypeActionLevel,
	})
	if err != nil {
		return nil, err
	}
	var services []iamtypes.ServiceLastAccessed
	var marker *string
	for {
		page, err := client.GetServiceLastAccessedDetails(ctx, &iam.GetServiceLastAccessedDetailsInput{JobId: job.JobId, Marker: marker})
		if err != nil {
			return nil, err
		}
		switch page.JobStatus {
		case iamtypes.JobStatusTypeFailed:
			return nil, fmt.Errorf("IAM's report of the role failed: %s", aws.ToString(page.Error.Message))
		case iamtypes.JobStatusTypeInProgress:
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("IAM's report of the role: %w", ctx.Err())
			case <-time.After(time.Second):
			}
			continue
		}
		services = append(services, page.ServicesLastAccessed...)
		if !page.IsTruncated {
			return services, nil
		}
		marker = page.Marker
	}
}
