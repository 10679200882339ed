package operate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/awserror"
)

// Variable is an environment variable of the backend that operators set. It is returned without its value.
type Variable struct {
	Name     string    `json:"name"`
	Store    string    `json:"store"`    // StoreParameter or StoreSecret
	Secret   bool      `json:"secret"`   // encrypted
	Modified time.Time `json:"modified"` // the keys of a secret change together
	By       string    `json:"by"`       // ARN of the user or role session; empty for a key of a secret
}

// The stores of a variable.
const (
	StoreParameter = "parameter" // an SSM parameter
	StoreSecret    = "secret"    // a key of the operators' secret
)

// requiredVariables are what the application does not start without. Terraform sets its other variables.
var requiredVariables = []string{"MONGO_URI", "JWT_SECRET_KEY"}

// validVariable is the name of an environment variable
// (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html).
var validVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// maxSecret is the maximum size of a secret's value in bytes
// (https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html).
const maxSecret = 65536

// Variables returns the variables by name: the parameters, and with the block secrets the keys of the operators' secret. Instances read both.
func (e *Environment) Variables(ctx context.Context) ([]Variable, error) {
	variables, err := e.parameters(ctx)
	if err != nil {
		return nil, err
	}
	if e.Secrets != nil {
		secret, err := e.readSecret(ctx)
		if err != nil {
			return nil, err
		}
		for name := range secret.values {
			variables = append(variables, Variable{Name: name, Store: StoreSecret, Secret: true, Modified: secret.modified})
		}
	}
	slices.SortFunc(variables, func(a, b Variable) int { return strings.Compare(a.Name+" "+a.Store, b.Name+" "+b.Store) })
	return variables, nil
}

// MissingVariables returns the variables that the application needs, and that nothing sets.
func (e *Environment) MissingVariables(variables []Variable) []string {
	generated := e.GeneratedVariables()
	var missing []string
	for _, name := range requiredVariables {
		if generated[name] == "" && !slices.ContainsFunc(variables, func(v Variable) bool { return v.Name == name }) {
			missing = append(missing, name)
		}
	}
	return missing
}

// DuplicateVariables returns the variables that two stores set, so that no instance boots (userdata/boot.sh).
func (e *Environment) DuplicateVariables(variables []Variable) []string {
	generated := e.GeneratedVariables()
	var duplicates []string
	for i, v := range variables {
		if generated[v.Name] != "" || i > 0 && variables[i-1].Name == v.Name {
			duplicates = append(duplicates, v.Name)
		}
	}
	return slices.Compact(duplicates)
}

// CheckVariable returns an error unless an operator may set a variable.
func (e *Environment) CheckVariable(name string) error {
	if !validVariable.MatchString(name) {
		return fmt.Errorf("%q is not the name of an environment variable; allowed: letters, digits and _, not beginning with a digit", name)
	}
	if name == "PORT" {
		return errors.New("PORT is not an operator's variable: the instances set it to the port where the load balancer connects")
	}
	if secret := e.GeneratedVariables()[name]; secret != "" {
		return fmt.Errorf("%s is generated, in the secret %s: set elsewhere, no instance boots; docs/runbook.md, \"Secrets\", rotates it", name, secret)
	}
	return nil
}

func checkValue(name, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("the value of %s is empty", name)
	case !utf8.ValidString(value): // encoding/json and the SDK would replace bytes
		return fmt.Errorf("the value of %s is not text in UTF-8", name)
	case strings.HasPrefix(value, "\ufeff"):
		return fmt.Errorf("the value of %s begins with a byte order mark, which would be a part of it; write it without", name)
	case strings.ContainsAny(value, "\n\r\x00"):
		return fmt.Errorf("the value of %s has a line break or a NUL; a variable of the container is one line", name)
	}
	return nil
}

// SetVariable writes a variable, encrypted: a parameter, or with the block secrets a key of the operators' secret. It reports whether the
// variable is new there.
func (e *Environment) SetVariable(ctx context.Context, name, value string) (created bool, err error) {
	if err := cmp.Or(e.CheckVariable(name), checkValue(name, value)); err != nil {
		return false, err
	}
	if e.Secrets == nil {
		return e.putParameter(ctx, name, value, true)
	}
	secret, err := e.readSecret(ctx)
	if err != nil {
		return false, err
	}
	_, exists := secret.values[name]
	secret.values[name] = &value
	return !exists, e.writeSecret(ctx, secret.values)
}

// CreateSecretValue gives the operators' secret a value without variables unless it has one: without a value, no instance boots.
func (e *Environment) CreateSecretValue(ctx context.Context) error {
	secret, err := e.readSecret(ctx)
	if err != nil || secret.exists {
		return err
	}
	return e.writeSecret(ctx, secret.values)
}

// operatorSecret is the value of the operators' secret.
type operatorSecret struct {
	exists   bool
	values   map[string]*string // by the variable; no nil
	modified time.Time
}

func (e *Environment) secretName() string { return e.PathPrefix() + "/" + config.OperatorSecret }

func (e *Environment) readSecret(ctx context.Context) (operatorSecret, error) {
	name := e.secretName()
	secret := operatorSecret{values: map[string]*string{}}
	answer, err := e.secretsmanager().GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	var missing *secretstypes.ResourceNotFoundException // also of a secret without a value
	if errors.As(err, &missing) {
		return secret, nil
	} else if err != nil {
		return secret, fmt.Errorf("read the secret %s: %w", name, awserror.Plain(err))
	}
	secret.exists, secret.modified = true, aws.ToTime(answer.CreatedDate)
	err = json.Unmarshal([]byte(aws.ToString(answer.SecretString)), &secret.values)
	isNull := secret.values == nil
	for _, value := range secret.values {
		isNull = isNull || value == nil
	}
	if err != nil || isNull { // the error may have a part of the value
		return secret, fmt.Errorf("the value of the secret %s is not a JSON object of strings; docs/runbook.md, \"Secrets\", replaces it", name)
	}
	return secret, nil
}

// writeSecret replaces the value of the operators' secret.
func (e *Environment) writeSecret(ctx context.Context, values map[string]*string) error {
	name := e.secretName()
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false) // a person may read it
	if err := encoder.Encode(values); err != nil {
		return fmt.Errorf("write the secret %s: %w", name, err)
	}
	value := strings.TrimSuffix(content.String(), "\n")
	if len(value) > maxSecret {
		return fmt.Errorf("the value of the secret %s would have %d bytes; allowed: %d", name, len(value), maxSecret)
	}
	if _, err := e.secretsmanager().PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &value}); err != nil {
		return fmt.Errorf("write the secret %s: %w", name, awserror.Plain(err))
	}
	return nil
}
