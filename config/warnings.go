package config

import (
	"fmt"
	"io"
)

// Warn writes a line for everything that an operator should know about valid environments.
func Warn(out io.Writer, environments []Environment) {
	for _, environment := range environments {
		if environment.Backend.AmazonLinux == "al2" {
			fmt.Fprintf(out, "warning: %s: backend.amazonLinux: al2 is past its end of life (2026-06-30) and gets no more security updates; al2023 is tested as well\n", environment.Name)
		}
	}
}
