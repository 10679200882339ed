package monitoring

import (
	"cmp"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/cloudwatchdashboard"

	"github.com/starttech/infrastructure/internal/tfstring"
)

// Graph is one graph of the dashboard.
type Graph struct {
	Title   string
	Metrics []Metric
	Region  string // of the metrics; empty: the environment's
}

// NewDashboard creates a dashboard with every metric that the architecture document lists, in the order of a request: load
// balancer, instances, group, Redis; then those of the optional parts. It returns the name of the dashboard.
func NewDashboard(scope constructs.Construct, c Config, optional []Graph) *string {
	m := newMetrics(c)
	graphs := []Graph{
		{Title: "Requests", Metrics: []Metric{m.requests}},
		{Title: "Response time (seconds)", Metrics: []Metric{m.responseTime, m.responseTime.withStatistic("p95")}},
		{Title: "HTTP codes of the instances", Metrics: []Metric{m.target2XX, m.target4XX, m.target5XX}},
		{Title: "HTTP codes of the load balancer", Metrics: []Metric{m.loadBalancer4XX, m.loadBalancer5XX}},
		{Title: "Healthy and unhealthy instances", Metrics: []Metric{m.healthyHosts, m.unhealthyHosts}},
		{Title: "CPU (%)", Metrics: []Metric{m.cpu, m.cpu.withStatistic("Maximum")}},
		{Title: "Network (bytes)", Metrics: []Metric{m.networkIn, m.networkOut}},
		{Title: "Disk (bytes)", Metrics: []Metric{m.ebsRead, m.ebsWrite, m.diskRead, m.diskWrite}},
		{Title: "Auto Scaling group", Metrics: m.groupSizes},
		{Title: "Redis memory (%)", Metrics: m.redisMemory},
		{Title: "Redis CPU (%)", Metrics: m.redisCPU},
		{Title: "Redis hit rate (%)", Metrics: m.redisHits},
	}

	if c.PaysForCredits() {
		graphs = append(graphs, Graph{Title: "Charged CPU credits", Metrics: []Metric{m.chargedCredits}})
	}

	graphs = append(graphs, optional...)

	const columns, width, height = 3, 8, 6 // of the 24 columns that a dashboard has
	widgets := make([]widget, len(graphs))
	for i, g := range graphs {
		widgets[i] = widget{
			Type: "metric", X: i % columns * width, Y: i / columns * height, Width: width, Height: height,
			Properties: properties{Title: g.Title, Region: cmp.Or(g.Region, c.Region), View: "timeSeries", Period: 5 * Minute, Metrics: rows(g.Metrics)},
		}
	}
	return cloudwatchdashboard.NewCloudwatchDashboard(scope, jsii.String("dashboard"), &cloudwatchdashboard.CloudwatchDashboardConfig{
		DashboardName: jsii.String(c.NamePrefix),
		DashboardBody: tfstring.JSON(map[string][]widget{"widgets": widgets}),
	}).DashboardName()
}

// widget is a graph in the body of the dashboard
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html).
type widget struct {
	Type       string     `json:"type"`
	X          int        `json:"x"`
	Y          int        `json:"y"`
	Width      int        `json:"width"`
	Height     int        `json:"height"`
	Properties properties `json:"properties"`
}

type properties struct {
	Title   string  `json:"title"`
	Region  string  `json:"region"`
	View    string  `json:"view"`
	Period  int     `json:"period"` // seconds
	Metrics [][]any `json:"metrics"`
}

// rows writes metrics as [namespace, name, dimension, value, ..., options].
func rows(metrics []Metric) [][]any {
	var rows [][]any
	for _, m := range metrics {
		row := []any{m.Namespace, m.Name}
		for _, part := range m.Dimensions {
			row = append(row, part)
		}
		rows = append(rows, append(row, map[string]string{"stat": m.Statistic}))
	}
	return rows
}
