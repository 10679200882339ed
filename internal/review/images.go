package review

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	autoscalingtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/starttech/infrastructure/internal/operate"
)

// oldDays is the days after which an image, or its scan, is old. The number is this project's: AWS publishes images of Amazon Linux every few
// weeks, and the list of known vulnerabilities changes every day.
const (
	oldImageDays = 90
	oldScanDays  = 30
)

// ami compares the AMIs of the group's launch templates with AWS's newest one.
func (r *reviewer) ami(ctx context.Context, a *answer) error {
	used, err := r.usedImages(ctx)
	if err != nil {
		return err
	}
	parameter := r.Backend.ImageParameter()
	answer, err := ssm.NewFromConfig(r.settings).GetParameter(ctx, &ssm.GetParameterInput{Name: &parameter})
	if err != nil {
		return err
	}
	newest := aws.ToString(answer.Parameter.Value)
	created, err := r.imageDates(ctx, append(used, newest))
	if err != nil {
		return err
	}
	describe := func(id string) string {
		if date, ok := created[id]; ok {
			return fmt.Sprintf("%s of %s (%d days old)", id, day(date), r.days(date))
		}
		return id + " (AWS does not list it any more)"
	}
	for _, id := range used {
		date, isListed := created[id]
		switch {
		case id != newest && r.Backend.ImageID == id:
			a.attention("remove backend.imageId, and deploy, if the newer image works", "backend.imageId pins %s; the newest is %s", describe(id), describe(newest))
		case id != newest:
			a.attention("make deploy ENV="+r.Name, "instances use %s; the newest is %s", describe(id), describe(newest))
		case isListed && r.days(date) >= oldImageDays && r.Backend.AmazonLinux == "al2":
			a.attention("set backend.amazonLinux: al2023", "%s is the newest image of Amazon Linux 2, whose support has ended", describe(id))
		case isListed && r.days(date) >= oldImageDays:
			a.attention("look for AWS's announcements about Amazon Linux", "%s is AWS's newest image", describe(id))
		default:
			a.ok("%s is the newest image", describe(id))
		}
	}
	return nil
}

// usedImages returns the AMIs of the launch template versions that the group and its instances have.
func (r *reviewer) usedImages(ctx context.Context) ([]string, error) {
	name, err := r.Output("auto_scaling_group_name")
	if err != nil {
		return nil, err
	}
	groups, err := autoscaling.NewFromConfig(r.settings).DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
	if err != nil {
		return nil, err
	}
	if len(groups.AutoScalingGroups) == 0 {
		return nil, fmt.Errorf("there is no group %s", name)
	}
	group := groups.AutoScalingGroups[0]
	template := group.LaunchTemplate
	if template == nil && group.MixedInstancesPolicy != nil { // with Spot Instances
		template = group.MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification
	}
	templates := []*autoscalingtypes.LaunchTemplateSpecification{template}
	for _, instance := range group.Instances {
		templates = append(templates, instance.LaunchTemplate)
	}
	versions := map[string][]string{} // by the id of the template
	for _, t := range templates {
		if t == nil {
			continue
		}
		if id, version := aws.ToString(t.LaunchTemplateId), aws.ToString(t.Version); !slices.Contains(versions[id], version) {
			versions[id] = append(versions[id], version)
		}
	}
	var images []string
	for id, numbers := range versions {
		pages := ec2.NewDescribeLaunchTemplateVersionsPaginator(ec2.NewFromConfig(r.settings), &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: &id, Versions: numbers})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, version := range page.LaunchTemplateVersions {
				images = append(images, aws.ToString(version.LaunchTemplateData.ImageId))
			}
		}
	}
	slices.Sort(images)
	return slices.Compact(images), nil
}

// imageDates returns when images were created, by their id. It filters by id, because AWS refuses a request for ids of which one is gone.
func (r *reviewer) imageDates(ctx context.Context, ids []string) (map[string]time.Time, error) {
	answer, err := ec2.NewFromConfig(r.settings).DescribeImages(ctx, &ec2.DescribeImagesInput{
		Filters:           []ec2types.Filter{{Name: aws.String("image-id"), Values: ids}},
		IncludeDeprecated: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	dates := map[string]time.Time{}
	for _, image := range answer.Images {
		if date, err := time.Parse(time.RFC3339, aws.ToString(image.CreationDate)); err == nil {
			dates[aws.ToString(image.ImageId)] = date
		}
	}
	return dates, nil
}

// imageScan reads the findings of ECR's scan of the released image. Basic scanning looks at an image once, when it is pushed
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-basic.html).
func (r *reviewer) imageScan(ctx context.Context, a *answer) error {
	tag, err := r.Released(ctx)
	if err != nil {
		return err
	}
	if tag == operate.NoRelease {
		a.unknown("there is no release yet")
		return nil
	}
	repository, err := r.Repository()
	if err != nil {
		return err
	}
	scan, err := r.Scan(ctx, tag)
	if err != nil {
		return err
	}
	age := r.days(scan.Completed)
	switch {
	case scan.Status == "":
		a.attention(startScan(repository, tag), "ECR has not scanned %s", tag)
	case scan.IsRunning():
		a.unknown("the scan of %s is in progress", tag)
	case !scan.IsComplete():
		a.attention(startScan(repository, tag), "the scan of %s has the status %s: %s", tag, scan.Status, scan.Reason)
	case scan.Critical+scan.High > 0:
		a.attention("build the image again on a newer base image, and release it", "%s has %d critical and %d high findings: %s", tag, scan.Critical, scan.High, sentence(scan.Worst))
	case !scan.Completed.IsZero() && age >= oldScanDays && scan.Status != ecrtypes.ScanStatusActive:
		a.attention(startScan(repository, tag), "the scan of %s is %d days old", tag, age)
	default:
		a.ok("%s has no critical or high finding", tag)
	}
	return nil
}

func startScan(repository, tag string) string {
	return fmt.Sprintf("aws ecr start-image-scan --repository-name %s --image-id imageTag=%s", repository, tag)
}
