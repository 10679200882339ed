package config

import (
	"fmt"
	"io"
	"strings"
)

// Warn writes a line for everything that is valid and that an operator should know.
func Warn(out io.Writer, environments []Environment) {
	var old []string
	for _, environment := range environments {
		if environment.Backend.AmazonLinux == "al2" {
			old = append(old, environment.Name)
		}
	}
	if len(old) > 0 {
		fmt.Fprintf(out, "warning: %s: backend.amazonLinux is al2, as in the architecture document; Amazon Linux 2 reached its end of life on 2026-06-30; al2023 is tested as well\n", strings.Join(old, ", "))
	}
}
