// Package registry is the ECR repository of the backend's images, and the parameter with the released tag.
package registry

import (
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/ecrlifecyclepolicy"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/ecrrepository"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/ssmparameter"
	"github.com/hashicorp/terraform-cdk-go/cdktf"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/suppress"
	"github.com/starttech/infrastructure/internal/tfstring"
	"github.com/starttech/infrastructure/userdata"
)

// Output is the repository and the release parameter.
type Output struct {
	RepositoryARN        *string
	RepositoryURL        *string
	ReleaseParameterARN  *string // of the parameter with the tag that instances run
	ReleaseParameterName *string
}

// Config is the names and the registry block of the environment file. Without deletion protection, a destroy deletes the
// images as well.
type Config struct {
	NamePrefix string // "starttech-production"
	PathPrefix string // "/starttech/production"
	config.Registry
	DeletionProtection bool // whether a destroy is refused; without it, it takes the images along
}

// New creates
//
//	Repository -> LifecyclePolicy
//	Parameter (the released tag)
func New(scope constructs.Construct, c Config) *Output {
	repository := ecrrepository.NewEcrRepository(scope, jsii.String("backend_images"), &ecrrepository.EcrRepositoryConfig{
		Name: jsii.String(c.NamePrefix + "-backend"),
		// A tag is a commit, so it always refers to the same image.
		ImageTagMutability:         jsii.String("IMMUTABLE"),
		ImageScanningConfiguration: &ecrrepository.EcrRepositoryImageScanningConfiguration{ScanOnPush: jsii.Bool(true)},
		EncryptionConfiguration: []*ecrrepository.EcrRepositoryEncryptionConfiguration{{
			EncryptionType: jsii.String("AES256"),
		}},
		ForceDelete: jsii.Bool(!c.DeletionProtection),
		Lifecycle:   &cdktf.TerraformResourceLifecycle{PreventDestroy: jsii.Bool(c.DeletionProtection)},
	})
	suppress.Finding(repository, suppress.AWSKey, "CKV_AWS_136")
	ecrlifecyclepolicy.NewEcrLifecyclePolicy(scope, jsii.String("backend_images_lifecycle"), &ecrlifecyclepolicy.EcrLifecyclePolicyConfig{
		Repository: repository.Name(),
		Policy: lifecyclePolicy(
			rule{1, "Untagged images", selection{"untagged", "sinceImagePushed", "days", c.UntaggedDays}, expire},
			rule{2, "All but the newest images", selection{"any", "imageCountMoreThan", "", c.KeepImages}, expire},
		),
	})

	// Terraform creates the parameter. From then on, each release writes its tag into it.
	release := ssmparameter.NewSsmParameter(scope, jsii.String("release"), &ssmparameter.SsmParameterConfig{
		Name:           jsii.String(c.PathPrefix + "/release"),
		Description:    jsii.String("Tag of the image that the backend's instances run; " + userdata.NoRelease + " before the first release"),
		Type:           jsii.String("String"),
		InsecureValue:  jsii.String(userdata.NoRelease),
		AllowedPattern: jsii.String("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"), // a Docker tag
		// A release writes the value, and PutParameter without a pattern removes the pattern.
		Lifecycle: &cdktf.TerraformResourceLifecycle{IgnoreChanges: &[]*string{jsii.String("insecure_value"), jsii.String("allowed_pattern")}},
	})
	suppress.Finding(release, "The parameter contains the tag of an image, which is not a secret", "CKV2_AWS_34")
	return &Output{
		RepositoryARN:        repository.Arn(),
		RepositoryURL:        repository.RepositoryUrl(),
		ReleaseParameterARN:  release.Arn(),
		ReleaseParameterName: release.Name(),
	}
}

// rule is a rule of an ECR lifecycle policy
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html).
type rule struct {
	RulePriority int       `json:"rulePriority"`
	Description  string    `json:"description"`
	Selection    selection `json:"selection"`
	Action       action    `json:"action"`
}

type selection struct {
	TagStatus   string `json:"tagStatus"`
	CountType   string `json:"countType"`
	CountUnit   string `json:"countUnit,omitempty"`
	CountNumber int    `json:"countNumber"`
}

type action struct {
	Type string `json:"type"`
}

var expire = action{"expire"}

func lifecyclePolicy(rules ...rule) *string {
	return tfstring.JSON(map[string][]rule{"rules": rules})
}
