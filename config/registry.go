package config

// Registry is the ECR repository.
type Registry struct {
	// Number of images to keep; older images expire, even the released one. A release that fails leaves its image.
	//
	// ECR takes any positive number (https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html). The limits are this
	// project's: a roll back needs earlier images, and every image costs storage.
	KeepImages int `json:"keepImages" jsonschema:"minimum=10,maximum=1000" change:"free"`
	// Days after which an untagged image expires.
	//
	// ECR takes any positive number. The maximum is this project's: nothing uses an untagged image.
	UntaggedDays int `json:"untaggedDays" jsonschema:"minimum=1,maximum=365" change:"free"`
}

func defaultRegistry() Registry { return Registry{KeepImages: 30, UntaggedDays: 7} }
