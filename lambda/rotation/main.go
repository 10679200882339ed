// Command rotation is the Lambda function that rotates the generated secrets of an environment: the backend's JWT key and the password of
// Redis. Secrets Manager invokes it with each of the four steps of a rotation
// (https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html), which are in steps.go. The last one
// starts an instance refresh, which takes longer than a function may run. So a schedule invokes the function with the step followRefresh,
// which is in refresh.go.
//
// Every step can be killed between any two calls of AWS, and repeated. What a step has to know of an earlier one is in the staging labels of
// the secret's versions.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	ctx := context.Background()
	f, err := fromEnvironment(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lambda.Start(f.handle)
}

// fromEnvironment reads the environment variables that modules/secrets sets.
func fromEnvironment(ctx context.Context) (*function, error) {
	client, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	warmup, err := strconv.Atoi(os.Getenv("INSTANCE_WARMUP"))
	if err != nil {
		return nil, fmt.Errorf("INSTANCE_WARMUP: %w", err)
	}
	s := settings{group: os.Getenv("AUTO_SCALING_GROUP"), warmup: int32(warmup)}
	for variable, user := range map[string]string{"JWT_SECRET_KEY": "", "REDIS_PASSWORD": os.Getenv("REDIS_USER")} {
		if arn := os.Getenv("SECRET_" + variable); arn != "" {
			s.secrets = append(s.secrets, secret{arn: arn, variable: variable, redisUser: user})
		}
	}
	return newFunction(client, s), nil
}

// event is what Secrets Manager invokes the function with, or the schedule: {"Step": "followRefresh"}.
type event struct {
	Step               string
	SecretId           string //nolint:revive // the name in AWS's event
	ClientRequestToken string
}

// handle performs a step. A secret that is not the function's, or a step that does not exist, is refused.
func (f *function) handle(ctx context.Context, e event) error {
	if e.Step == "followRefresh" {
		return f.followRefreshes(ctx)
	}
	s, ok := f.find(e.SecretId)
	if !ok {
		return fmt.Errorf("%q is not a secret of this function", e.SecretId)
	}
	steps := map[string]func(context.Context, secret, string) error{
		"createSecret": f.createSecret, "setSecret": f.setSecret, "testSecret": f.testSecret, "finishSecret": f.finishSecret,
	}
	step, ok := steps[e.Step]
	if !ok {
		return fmt.Errorf("%q is not a step; allowed: createSecret, setSecret, testSecret, finishSecret, followRefresh", e.Step)
	}
	if err := step(ctx, s, e.ClientRequestToken); err != nil {
		return fmt.Errorf("%s of %s: %w", e.Step, s.variable, err)
	}
	return nil
}

// settings is what the function rotates, and the instances that read it.
type settings struct {
	secrets []secret
	group   string // Auto Scaling group
	warmup  int32  // of an instance, in seconds
}

// secret is a secret whose value is a JSON object with one generated environment variable.
type secret struct {
	arn       string
	variable  string
	redisUser string // id of the ElastiCache user that has the value as its password; empty: none
}

func (f *function) find(arn string) (secret, bool) {
	for _, s := range f.secrets {
		if s.arn == arn {
			return s, true
		}
	}
	return secret{}, false
}

func newFunction(client aws.Config, s settings) *function {
	return &function{
		settings:  s,
		manager:   newManager(client),
		cache:     newCache(client),
		instances: newInstances(client),
	}
}
