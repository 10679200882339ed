package apply

import (
	"regexp"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// generated is what AWS generates: IDs, parts of ARNs and names, IP addresses.
var generated = regexp.MustCompile(`\b(eni|eipalloc|igw|lt|nat|rtb|sg|sgr|subnet|vpc|vpce|fl)-[0-9a-f]{8,17}\b|\bE[0-9A-Z]{13}\b|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[a-z0-9]{16}\b|\bd[a-z0-9]{12,13}\b|\b[a-z0-9]{8}\.eu-west-1\.elb|\b52(\.\d+){3}\b`)

// checkReport compares a report with its golden file.
func checkReport(t *testing.T, name, markdown string) {
	t.Helper()
	harness.Golden(t, "test/apply/testdata/reports/"+name+".md", generated.ReplaceAllString(markdown, "(id)"))
}
