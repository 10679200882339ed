// Package apply applies the stacks on local AWSs, with the roles that the workflows assume.
package apply

import (
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

func TestMain(m *testing.M) {
	harness.LowerPriority()
	harness.Main(m)
}
