package config

// Tracing is the sampling of the backend's requests, and how X-Ray groups their traces.
type Tracing struct {
	// Requests that are traced in each second, of all instances together, before ratePercent applies.
	//
	// AWS has no maximum (https://docs.aws.amazon.com/xray/latest/api/API_SamplingRule.html). The maximum is this project's: 100 in each second
	// are 263 million traces in a month.
	ReservoirPerSecond int `json:"reservoirPerSecond" jsonschema:"minimum=0,maximum=100" change:"free"`
	// Percentage of the requests that are traced beyond reservoirPerSecond.
	//
	// AWS's limits: https://docs.aws.amazon.com/xray/latest/api/API_SamplingRule.html.
	RatePercent int `json:"ratePercent" jsonschema:"minimum=0,maximum=100" change:"free"`
	// Whether X-Ray looks for anomalies in the traces of the backend (X-Ray insights), at a price.
	Insights bool `json:"insights" change:"free"`
}

// defaultTracing is AWS's default rule (https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html).
func defaultTracing() *Tracing {
	return &Tracing{ReservoirPerSecond: 1, RatePercent: 5}
}

func (Tracing) check(at place, e Environment) {
	e.Network.checkRouteTo("X-Ray", at)
}
