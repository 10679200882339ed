package config

// Registry is the ECR repository.
type Registry struct {
	// Number of images to keep; older images expire, even the released one. A release that fails leaves its image.
	KeepImages int `json:"keepImages" jsonschema:"minimum=10,maximum=1000" change:"free"`
	// Days after which an untagged image expires.
	UntaggedDays int `json:"untaggedDays" jsonschema:"minimum=1,maximum=365" change:"free"`
}

func defaultRegistry() Registry { return Registry{KeepImages: 30, UntaggedDays: 7} }
