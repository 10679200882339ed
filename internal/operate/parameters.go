package operate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Parameter is one of the backend's parameters, which become its environment variables. Its value is not read.
type Parameter struct {
	Name     string    `json:"name"` // of the variable
	Secret   bool      `json:"secret"`
	Modified time.Time `json:"modified"`
	By       string    `json:"by"` // ARN of the user or role session
}

// requiredVariables are what the application does not start without. Terraform sets its other variables.
var requiredVariables = []string{"MONGO_URI", "JWT_SECRET_KEY"}

// validVariable is the name of an environment variable
// (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html).
var validVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// maxParameter is the maximum size of a standard parameter's value in bytes
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html).
const maxParameter = 4096

// Parameters returns the backend's parameters by name.
func (e *Environment) Parameters(ctx context.Context) ([]Parameter, error) {
	prefix, err := e.Output("parameter_path")
	if err != nil {
		return nil, err
	}
	var parameters []Parameter
	pages := ssm.NewDescribeParametersPaginator(e.ssm(), &ssm.DescribeParametersInput{ParameterFilters: []ssmtypes.ParameterStringFilter{{
		Key: aws.String("Path"), Option: aws.String("OneLevel"), Values: []string{strings.TrimSuffix(prefix, "/")},
	}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the parameters in %s: %w", prefix, plain(err))
		}
		for _, p := range page.Parameters {
			parameters = append(parameters, Parameter{
				strings.TrimPrefix(aws.ToString(p.Name), prefix), p.Type == ssmtypes.ParameterTypeSecureString,
				aws.ToTime(p.LastModifiedDate), aws.ToString(p.LastModifiedUser),
			})
		}
	}
	slices.SortFunc(parameters, func(a, b Parameter) int { return strings.Compare(a.Name, b.Name) })
	return parameters, nil
}

// SetParameter writes a parameter of the backend, encrypted. It reports whether the parameter is new.
func (e *Environment) SetParameter(ctx context.Context, name, value string) (created bool, err error) {
	return e.putParameter(ctx, name, value, true)
}

// CreateParameter is SetParameter unless the parameter exists.
func (e *Environment) CreateParameter(ctx context.Context, name, value string) (created bool, err error) {
	created, err = e.putParameter(ctx, name, value, false)
	var exists *ssmtypes.ParameterAlreadyExists
	if errors.As(err, &exists) {
		return false, nil
	}
	return created, err
}

func (e *Environment) putParameter(ctx context.Context, name, value string, overwrite bool) (created bool, err error) {
	prefix, err := e.Output("parameter_path")
	switch {
	case err != nil:
		return false, err
	case !validVariable.MatchString(name):
		return false, fmt.Errorf("%q is not the name of an environment variable; allowed: letters, digits and _, not beginning with a digit", name)
	case value == "":
		return false, fmt.Errorf("the value of %s is empty; AWS stores no empty parameter", name)
	case len(value) > maxParameter:
		return false, fmt.Errorf("the value of %s has %d bytes; allowed: %d", name, len(value), maxParameter)
	case strings.ContainsAny(value, "\n\r\x00"):
		return false, fmt.Errorf("the value of %s has a line break or a NUL; a variable of the container is one line", name)
	}
	answer, err := e.ssm().PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(prefix + name), Value: &value, Type: ssmtypes.ParameterTypeSecureString, Overwrite: &overwrite,
	})
	if err != nil {
		return false, fmt.Errorf("write the parameter %s: %w", name, plain(err))
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
		return fmt.Errorf("delete the parameter %s: %w", name, plain(err))
	}
	return nil
}

// MissingVariables returns the variables that the application needs and no parameter has.
func MissingVariables(parameters []Parameter) []string {
	var missing []string
	for _, name := range requiredVariables {
		if !slices.ContainsFunc(parameters, func(p Parameter) bool { return p.Name == name }) {
			missing = append(missing, name)
		}
	}
	return missing
}
