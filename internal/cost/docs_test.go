package cost

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The numbers in documents are those of this package.
func TestDocumentsHaveTheseCosts(t *testing.T) {
	production := Of(snapshot(t, "production"))
	table, _, _ := strings.Cut(production.Text(), "\n\n")
	total := production.Total.OnDemand
	instance := instanceRates["t3.micro"].onDemand
	for file, texts := range map[string][]string{
		"README.md":         {total.String() + " USD a month"},
		"docs/deploying.md": {"    " + strings.ReplaceAll(table, "\n", "\n    ") + "\n"},
		"docs/decisions/evidence.md": {
			fmt.Sprintf("%s USD in %d hours", total, hoursPerMonth),
			fmt.Sprintf("about %.2f USD for each hour", float64(total)/100/hoursPerMonth),
		},
		"docs/runbook.md": {
			fmt.Sprintf("%d × $%v = $%v", hoursPerMonth, instance, cents(hoursPerMonth*instance)),
			"about $" + dollars(creditHour.usd) + " for 60 of them",
		},
	} {
		content, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if !strings.Contains(string(content), text) {
				t.Errorf("%s has no %q", file, text)
			}
		}
	}
}
