package config

// Registry is the ECR repository.
type Registry struct {
	// Newest images to keep; older ones expire, the released one too if it is that old.
	KeepImages int `json:"keepImages" jsonschema:"minimum=1,maximum=1000"`
	// Days after which an untagged image expires.
	UntaggedDays int `json:"untaggedDays" jsonschema:"minimum=1,maximum=365"`
}

func defaultRegistry() Registry { return Registry{KeepImages: 30, UntaggedDays: 7} }
