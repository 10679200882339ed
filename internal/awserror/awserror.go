// Package awserror makes the SDK's errors readable.
package awserror

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Plain is an error of AWS without the SDK's text about the operation and its request, in one line.
func Plain(err error) error {
	var api smithy.APIError
	var unsent *smithyhttp.RequestSendError
	switch {
	case errors.As(err, &api):
		return &plain{fmt.Sprintf("%s: %s", api.ErrorCode(), strings.Join(strings.Fields(api.ErrorMessage()), " ")), err}
	case errors.As(err, &unsent):
		return &plain{unsent.Err.Error(), err}
	}
	return err
}

type plain struct {
	text  string
	cause error
}

func (e *plain) Error() string { return e.text }
func (e *plain) Unwrap() error { return e.cause }
