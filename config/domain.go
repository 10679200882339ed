package config

// Domain is a name in a public Route 53 zone of the same account.
type Domain struct {
	// Name of the site, app.example.com.
	Name string `json:"name" jsonschema:"required,pattern=^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2\\,}$,maxLength=253"`
	// Id of the public Route 53 zone that contains the name.
	HostedZoneID string `json:"hostedZoneId" jsonschema:"required,pattern=^Z[A-Z0-9]{1\\,31}$"`
}
