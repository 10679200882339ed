package terraform

import (
	"context"

	tfjson "github.com/hashicorp/terraform-json"
)

// State calls Init and returns the stack's state. If nothing was ever applied, it has no values. If the account has no state bucket yet,
// the error is ErrNoStateBucket.
func (s *Stack) State(ctx context.Context) (*tfjson.State, error) {
	if err := s.Init(ctx); err != nil {
		return nil, err
	}
	state, err := s.reader.Show(ctx)
	return state, s.explain("show the state of", err)
}
