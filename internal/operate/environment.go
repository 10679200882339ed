// Package operate is what operators do with a deployed environment: look at it, release to it, roll it back. It reads the names of an
// environment's resources from the outputs in its Terraform state, and calls AWS. It needs no synthesized stack and no Terraform.
package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go/logging"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/awserror"
	"github.com/starttech/infrastructure/internal/refresh"
	"github.com/starttech/infrastructure/internal/statelock"
)

// Environment is a deployed environment.
type Environment struct {
	config.Environment
	Outputs  Outputs
	Deployed Deployed

	settings aws.Config
}

// Outputs are the outputs of an environment's stack.
type Outputs map[string]any

// Deployed is what the state says of the last deploy.
type Deployed struct {
	Serial  int    `json:"serial"`
	Version string `json:"terraform"` // of Terraform
}

// Open reads the outputs of an environment from its state, with the caller's credentials.
func Open(ctx context.Context, environment config.Environment) (*Environment, error) {
	e, err := newEnvironment(ctx, environment)
	if err != nil {
		return nil, err
	}
	bucket, key := config.StateBucket(e.Account), config.StateKey(e.Name)
	object, err := e.s3().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	var missing *s3types.NoSuchKey
	var noBucket *s3types.NoSuchBucket
	switch {
	case errors.As(err, &missing), errors.As(err, &noBucket):
		return nil, fmt.Errorf("%s is not deployed: there is no state in s3://%s/%s", e.Name, bucket, key)
	case err != nil:
		return nil, fmt.Errorf("read the state of %s: %w", e.Name, awserror.Plain(err))
	}
	defer object.Body.Close()
	content, err := io.ReadAll(object.Body)
	if err != nil {
		return nil, fmt.Errorf("read the state of %s: %w", e.Name, err)
	}
	var state struct {
		Serial  int
		Version string `json:"terraform_version"`
		Outputs map[string]struct{ Value any }
	}
	if json.Unmarshal(content, &state) != nil { // the error names types of Go
		return nil, fmt.Errorf("the state of %s in s3://%s/%s is damaged: not a Terraform state; starttech rollback state lists earlier versions", e.Name, bucket, key)
	}
	if len(state.Outputs) == 0 {
		return nil, fmt.Errorf("%s has no outputs: it is not deployed", e.Name)
	}
	e.Outputs, e.Deployed = Outputs{}, Deployed{state.Serial, state.Version}
	for name, output := range state.Outputs {
		e.Outputs[name] = output.Value
	}
	return e, nil
}

// OpenWith is Open with outputs that the caller has: a pipeline, whose role may not read the state.
func OpenWith(ctx context.Context, environment config.Environment, outputs Outputs) (*Environment, error) {
	e, err := newEnvironment(ctx, environment)
	if err == nil {
		e.Outputs = outputs
	}
	return e, err
}

func newEnvironment(ctx context.Context, environment config.Environment) (*Environment, error) {
	settings, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(environment.Region), awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fmt.Errorf("AWS settings: %w", err)
	}
	return &Environment{Environment: environment, settings: settings}, nil
}

// Output is an output that is a string. The error says that the environment has to be deployed.
func (e *Environment) Output(name string) (string, error) {
	value, ok := e.Outputs[name].(string)
	if !ok || value == "" {
		return "", fmt.Errorf("%s has no output %s: deploy it first", e.Name, name)
	}
	return value, nil
}

func (e *Environment) s3() *s3.Client {
	return s3.NewFromConfig(e.settings, func(options *s3.Options) { options.UsePathStyle = e.settings.BaseEndpoint != nil })
}
func (e *Environment) ssm() *ssm.Client                 { return ssm.NewFromConfig(e.settings) }
func (e *Environment) ecr() *ecr.Client                 { return ecr.NewFromConfig(e.settings) }
func (e *Environment) autoscaling() *autoscaling.Client { return autoscaling.NewFromConfig(e.settings) }

func (e *Environment) secretsmanager() *secretsmanager.Client {
	return secretsmanager.NewFromConfig(e.settings)
}

func (e *Environment) cloudfront() *cloudfront.Client { return cloudfront.NewFromConfig(e.settings) }

func (e *Environment) logs(region string) *cloudwatchlogs.Client {
	return cloudwatchlogs.NewFromConfig(e.settings, func(options *cloudwatchlogs.Options) { options.Region = region })
}

func (e *Environment) group() (refresh.Group, error) {
	name, err := e.Output("auto_scaling_group_name")
	return refresh.Group{Name: name, Client: e.autoscaling()}, err
}

// usEast1 is the region of what belongs to CloudFront: certificate, firewall, and the logs of both.
const usEast1 = "us-east-1"

// Regions is the environment's region and, if something of it is CloudFront's, us-east-1 after it.
func (e *Environment) Regions(hasCloudFronts bool) []string {
	if !hasCloudFronts || e.Region == usEast1 {
		return []string{e.Region}
	}
	return []string{e.Region, usEast1}
}

// Settings returns the AWS settings of the environment: region, credentials, endpoints.
func (e *Environment) Settings() aws.Config { return e.settings }

// StateLock returns the lock of the environment's state, and the state's newest version.
func (e *Environment) StateLock(ctx context.Context) (statelock.State, error) {
	backend := statelock.Backend{Bucket: config.StateBucket(e.Account), Key: config.StateKey(e.Name), Region: e.Region, LockFile: e.LocksInS3()}
	if e.LocksInDynamoDB() {
		backend.Table = config.LockTable
	}
	client, err := statelock.Open(ctx, backend)
	if err != nil {
		return statelock.State{}, err
	}
	return client.Read(ctx)
}
