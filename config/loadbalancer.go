package config

// LoadBalancer is the Application Load Balancer's target group.
type LoadBalancer struct {
	// Path that a healthy instance answers with 200. /health fails with MongoDB and would replace every instance in an
	// outage.
	HealthCheckPath string `json:"healthCheckPath" jsonschema:"pattern=^/[A-Za-z0-9/_.~-]*$,maxLength=128"`
	// Seconds between two health checks.
	HealthCheckIntervalSeconds int `json:"healthCheckIntervalSeconds" jsonschema:"minimum=10,maximum=300"`
	// Seconds in which a leaving instance finishes its requests.
	DeregistrationDelaySeconds int `json:"deregistrationDelaySeconds" jsonschema:"minimum=0,maximum=3600"`
}

func defaultLoadBalancer() LoadBalancer {
	return LoadBalancer{
		HealthCheckPath:            "/ping",
		HealthCheckIntervalSeconds: 30,
		DeregistrationDelaySeconds: 60,
	}
}
