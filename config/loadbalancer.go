package config

// Consecutive health checks after which an unhealthy target is healthy, and a healthy one unhealthy.
const (
	HealthyThreshold   = 2
	UnhealthyThreshold = 3
)

// LoadBalancer is the Application Load Balancer's target group.
type LoadBalancer struct {
	// Path that a healthy instance answers with 200. /health depends on MongoDB: in an outage of MongoDB, every instance
	// would be replaced.
	//
	// AWS allows 1,024 characters (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html). The limits are
	// this project's: the path is in the boot script too, where other characters need escaping.
	HealthCheckPath string `json:"healthCheckPath" jsonschema:"pattern=^/[A-Za-z0-9/_.~-]*$,maxLength=128" change:"interrupts: unless the running image already answers the new path; release that first. The load balancer requests the path from the old instances as well, at once, so all of them would be unhealthy. The instances are replaced as well."`
	// Seconds between two health checks.
	//
	// AWS allows 5 to 300 (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html). The minimum is this
	// project's, because a check has a timeout of 5 seconds.
	HealthCheckIntervalSeconds int `json:"healthCheckIntervalSeconds" jsonschema:"minimum=10,maximum=300" change:"free"`
	// Seconds that a deregistering instance has to finish its requests.
	//
	// AWS's limits: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html.
	DeregistrationDelaySeconds int `json:"deregistrationDelaySeconds" jsonschema:"minimum=0,maximum=3600" change:"free"`
}

func defaultLoadBalancer() LoadBalancer {
	return LoadBalancer{
		HealthCheckPath:            "/ping",
		HealthCheckIntervalSeconds: 30,
		DeregistrationDelaySeconds: 60,
	}
}
