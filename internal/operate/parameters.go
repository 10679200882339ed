package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/starttech/infrastructure/internal/awserror"
)

// maxParameter is the maximum size of a standard parameter's value in bytes
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html).
const maxParameter = 4096

// parameters returns the backend's parameters.
func (e *Environment) parameters(ctx context.Context) ([]Variable, error) {
	prefix, err := e.Output("parameter_path")
	if err != nil {
		return nil, err
	}
	var parameters []Variable
	pages := ssm.NewDescribeParametersPaginator(e.ssm(), &ssm.DescribeParametersInput{ParameterFilters: []ssmtypes.ParameterStringFilter{{
		Key: aws.String("Path"), Option: aws.String("OneLevel"), Values: []string{strings.TrimSuffix(prefix, "/")},
	}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the parameters in %s: %w", prefix, awserror.Plain(err))
		}
		for _, p := range page.Parameters {
			parameters = append(parameters, Variable{
				strings.TrimPrefix(aws.ToString(p.Name), prefix), StoreParameter, p.Type == ssmtypes.ParameterTypeSecureString,
				aws.ToTime(p.LastModifiedDate), aws.ToString(p.LastModifiedUser),
			})
		}
	}
	return parameters, nil
}

// CreateParameter writes a parameter of the backend, encrypted, unless it exists. It reports whether it has.
func (e *Environment) CreateParameter(ctx context.Context, name, value string) (created bool, err error) {
	if err := cmp.Or(e.CheckVariable(name), checkValue(name, value)); err != nil {
		return false, err
	}
	created, err = e.putParameter(ctx, name, value, false)
	var exists *ssmtypes.ParameterAlreadyExists
	if errors.As(err, &exists) {
		return false, nil
	}
	return created, err
}

// putParameter writes a parameter, encrypted. It reports whether the parameter is new.
func (e *Environment) putParameter(ctx context.Context, name, value string, overwrite bool) (created bool, err error) {
	prefix, err := e.Output("parameter_path")
	switch {
	case err != nil:
		return false, err
	case len(value) > maxParameter:
		return false, fmt.Errorf("the value of %s has %d bytes; allowed: %d", name, len(value), maxParameter)
	}
	answer, err := e.ssm().PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(prefix + name), Value: &value, Type: ssmtypes.ParameterTypeSecureString, Overwrite: &overwrite,
	})
	if err != nil {
		return false, fmt.Errorf("write the parameter %s: %w", name, awserror.Plain(err))
	}
	return answer.Version == 1, nil
}

// DeleteParameter deletes a parameter of the backend. It is no error if the parameter does not exist.
func (e *Environment) DeleteParameter(ctx context.Context, name string) error {
	prefix, err := e.Output("parameter_path")
	if err != nil {
		return err
	}
	_, err = e.ssm().DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String(prefix + name)})
	var missing *ssmtypes.ParameterNotFound
	if err != nil && !errors.As(err, &missing) {
		return fmt.Errorf("delete the parameter %s: %w", name, awserror.Plain(err))
	}
	return nil
}
