package cost

// rates are US dollars for an hour.
type rates struct{ onDemand, oneYear, threeYears float64 }

// instanceRates are the prices of Linux instances with shared tenancy, by type, from instanceSource: on-demand, and as a Standard Reserved
// Instance for one year and for three years without a payment upfront. An EC2 Instance Savings Plan of the same term has the same price: an
// m8g.xlarge for a year in eu-north-1 costs twice the 0.06309 USD of the Reserved Instance m8g.large of instanceSource
// (https://pricing.us-east-1.amazonaws.com/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/20261006182900/eu-north-1/index.json).
var instanceRates = map[string]rates{
	"t2.nano":    {0.0063, 0.0044, 0.0032},
	"t2.micro":   {0.0126, 0.0089, 0.0063},
	"t2.small":   {0.025, 0.0177, 0.0127},
	"t2.medium":  {0.05, 0.0355, 0.0253},
	"t2.large":   {0.1008, 0.0709, 0.0507},
	"t2.xlarge":  {0.2016, 0.1418, 0.1013},
	"t2.2xlarge": {0.4032, 0.2837, 0.2026},

	"t3.nano":    {0.0057, 0.0036, 0.0025},
	"t3.micro":   {0.0114, 0.0072, 0.0049},
	"t3.small":   {0.0228, 0.0144, 0.0098},
	"t3.medium":  {0.0456, 0.0287, 0.0197},
	"t3.large":   {0.0912, 0.0575, 0.0394},
	"t3.xlarge":  {0.1824, 0.1149, 0.0788},
	"t3.2xlarge": {0.3648, 0.2298, 0.1576},

	"t3a.nano":    {0.0051, 0.0032, 0.0022},
	"t3a.micro":   {0.0102, 0.0064, 0.0044},
	"t3a.small":   {0.0204, 0.0129, 0.0088},
	"t3a.medium":  {0.0408, 0.0257, 0.0176},
	"t3a.large":   {0.0816, 0.0514, 0.0353},
	"t3a.xlarge":  {0.1632, 0.1028, 0.0705},
	"t3a.2xlarge": {0.3264, 0.2056, 0.141},

	"m5.large":   {0.107, 0.067, 0.046},
	"m5.xlarge":  {0.214, 0.135, 0.092},
	"m5.2xlarge": {0.428, 0.27, 0.185},
	"m5.4xlarge": {0.856, 0.539, 0.37},

	"m5a.large":   {0.096, 0.06, 0.041},
	"m5a.xlarge":  {0.192, 0.121, 0.083},
	"m5a.2xlarge": {0.384, 0.242, 0.166},
	"m5a.4xlarge": {0.768, 0.484, 0.332},

	"m6a.large":   {0.0963, 0.0637, 0.04368},
	"m6a.xlarge":  {0.1926, 0.1274, 0.08736},
	"m6a.2xlarge": {0.3852, 0.25481, 0.17473},
	"m6a.4xlarge": {0.7704, 0.50962, 0.34945},

	"m6i.large":   {0.107, 0.07078, 0.04854},
	"m6i.xlarge":  {0.214, 0.14156, 0.09707},
	"m6i.2xlarge": {0.428, 0.28312, 0.19414},
	"m6i.4xlarge": {0.856, 0.56624, 0.38828},

	"m7a.medium":  {0.0646, 0.04273, 0.0293},
	"m7a.large":   {0.1292, 0.08547, 0.05861},
	"m7a.xlarge":  {0.2584, 0.17093, 0.11721},
	"m7a.2xlarge": {0.5168, 0.34186, 0.23442},
	"m7a.4xlarge": {1.0336, 0.68373, 0.46884},

	"m7i.large":   {0.11235, 0.07432, 0.05096},
	"m7i.xlarge":  {0.2247, 0.14864, 0.10192},
	"m7i.2xlarge": {0.4494, 0.29728, 0.20385},
	"m7i.4xlarge": {0.8988, 0.59456, 0.4077},

	"m7i-flex.large":   {0.10673, 0.0706, 0.04842},
	"m7i-flex.xlarge":  {0.21346, 0.1412, 0.09683},
	"m7i-flex.2xlarge": {0.42692, 0.28241, 0.19366},
	"m7i-flex.4xlarge": {0.85384, 0.56482, 0.38733},

	"c5.large":   {0.096, 0.06, 0.041},
	"c5.xlarge":  {0.192, 0.121, 0.083},
	"c5.2xlarge": {0.384, 0.242, 0.166},
	"c5.4xlarge": {0.768, 0.484, 0.332},

	"c5a.large":   {0.086, 0.054, 0.037},
	"c5a.xlarge":  {0.172, 0.108, 0.074},
	"c5a.2xlarge": {0.344, 0.217, 0.149},
	"c5a.4xlarge": {0.688, 0.433, 0.297},

	"c6a.large":   {0.08208, 0.05434, 0.03742},
	"c6a.xlarge":  {0.16416, 0.10867, 0.07484},
	"c6a.2xlarge": {0.32832, 0.21735, 0.14969},
	"c6a.4xlarge": {0.65664, 0.4347, 0.29938},

	"c6i.large":   {0.0912, 0.06038, 0.04158},
	"c6i.xlarge":  {0.1824, 0.12075, 0.08316},
	"c6i.2xlarge": {0.3648, 0.2415, 0.16632},
	"c6i.4xlarge": {0.7296, 0.483, 0.33264},

	"c7a.medium":  {0.05506, 0.03645, 0.0251},
	"c7a.large":   {0.11012, 0.0729, 0.05021},
	"c7a.xlarge":  {0.22024, 0.1458, 0.10041},
	"c7a.2xlarge": {0.44048, 0.2916, 0.20082},
	"c7a.4xlarge": {0.88096, 0.5832, 0.40165},

	"c7i.large":   {0.09576, 0.06339, 0.04366},
	"c7i.xlarge":  {0.19152, 0.12679, 0.08732},
	"c7i.2xlarge": {0.38304, 0.25357, 0.17464},
	"c7i.4xlarge": {0.76608, 0.50715, 0.34927},

	"c7i-flex.large":   {0.09097, 0.06022, 0.04148},
	"c7i-flex.xlarge":  {0.18194, 0.12043, 0.08296},
	"c7i-flex.2xlarge": {0.36389, 0.24086, 0.16592},
	"c7i-flex.4xlarge": {0.72778, 0.48173, 0.33185},

	"r5.large":   {0.141, 0.089, 0.061},
	"r5.xlarge":  {0.282, 0.178, 0.122},
	"r5.2xlarge": {0.564, 0.355, 0.244},
	"r5.4xlarge": {1.128, 0.711, 0.487},

	"r5a.large":   {0.127, 0.08, 0.055},
	"r5a.xlarge":  {0.254, 0.16, 0.11},
	"r5a.2xlarge": {0.508, 0.32, 0.219},
	"r5a.4xlarge": {1.016, 0.64, 0.439},

	"r6a.large":   {0.1269, 0.08394, 0.05756},
	"r6a.xlarge":  {0.2538, 0.16789, 0.11512},
	"r6a.2xlarge": {0.5076, 0.33578, 0.23025},
	"r6a.4xlarge": {1.0152, 0.67155, 0.46049},

	"r6i.large":   {0.141, 0.09327, 0.06396},
	"r6i.xlarge":  {0.282, 0.18654, 0.12792},
	"r6i.2xlarge": {0.564, 0.37309, 0.25583},
	"r6i.4xlarge": {1.128, 0.74617, 0.51166},

	"r7a.medium":  {0.08513, 0.05631, 0.03861},
	"r7a.large":   {0.17026, 0.11263, 0.07723},
	"r7a.xlarge":  {0.34052, 0.22525, 0.15446},
	"r7a.2xlarge": {0.68104, 0.45051, 0.30892},
	"r7a.4xlarge": {1.36208, 0.90102, 0.61784},

	"r7i.large":   {0.14805, 0.09794, 0.06716},
	"r7i.xlarge":  {0.2961, 0.19587, 0.13431},
	"r7i.2xlarge": {0.5922, 0.39174, 0.26862},
	"r7i.4xlarge": {1.1844, 0.78348, 0.53724},
}

// valkeyShare is what a node with Valkey costs, as a share of the same node with Redis, from valkeySource.
const valkeyShare = 0.8

// nodeRates are the prices of ElastiCache nodes with Redis, by type, from nodeSource: on-demand, and as a reserved node for one year and
// for three years without a payment upfront.
var nodeRates = map[string]rates{
	"cache.t3.micro":  {0.018, 0.012, 0.009},
	"cache.t3.small":  {0.036, 0.025, 0.019},
	"cache.t3.medium": {0.072, 0.049, 0.037},

	"cache.t4g.micro":  {0.017, 0.012, 0.009},
	"cache.t4g.small":  {0.034, 0.023, 0.018},
	"cache.t4g.medium": {0.068, 0.046, 0.035},

	"cache.m5.large":   {0.172, 0.117, 0.089},
	"cache.m5.xlarge":  {0.343, 0.235, 0.178},
	"cache.m5.2xlarge": {0.686, 0.47, 0.357},
	"cache.m5.4xlarge": {1.373, 0.939, 0.713},

	"cache.m6g.large":   {0.164, 0.112, 0.085},
	"cache.m6g.xlarge":  {0.327, 0.224, 0.17},
	"cache.m6g.2xlarge": {0.654, 0.447, 0.339},
	"cache.m6g.4xlarge": {1.308, 0.893, 0.678},

	"cache.m7g.large":   {0.174, 0.118, 0.09},
	"cache.m7g.xlarge":  {0.347, 0.236, 0.18},
	"cache.m7g.2xlarge": {0.693, 0.471, 0.36},
	"cache.m7g.4xlarge": {1.386, 0.942, 0.721},

	"cache.r5.large":   {0.241, 0.164, 0.125},
	"cache.r5.xlarge":  {0.48, 0.328, 0.249},
	"cache.r5.2xlarge": {0.961, 0.657, 0.499},
	"cache.r5.4xlarge": {1.921, 1.314, 0.998},

	"cache.r6g.large":   {0.229, 0.157, 0.119},
	"cache.r6g.xlarge":  {0.458, 0.313, 0.238},
	"cache.r6g.2xlarge": {0.916, 0.626, 0.475},
	"cache.r6g.4xlarge": {1.832, 1.251, 0.95},

	"cache.r7g.large":   {0.243, 0.165, 0.126},
	"cache.r7g.xlarge":  {0.487, 0.331, 0.253},
	"cache.r7g.2xlarge": {0.974, 0.662, 0.506},
	"cache.r7g.4xlarge": {1.947, 1.324, 1.012},

	"cache.c7gn.large":   {0.288, 0.196, 0.15},
	"cache.c7gn.xlarge":  {0.575, 0.391, 0.299},
	"cache.c7gn.2xlarge": {1.151, 0.783, 0.599},
	"cache.c7gn.4xlarge": {2.301, 1.565, 1.197},
}
