package github

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	"slices"

	gh "github.com/google/go-github/v90/github"
	"golang.org/x/crypto/nacl/box"
)

// PublishPermissions are the permissions of a fine-grained token that Publish needs
// (https://docs.github.com/en/rest/authentication/permissions-required-for-fine-grained-personal-access-tokens).
const PublishPermissions = "Actions: read and Environments: write, and, if the environment does not exist yet, Administration: write"

// Publish writes variables and secrets, by name, to a deployment environment of a repository. It writes only variables whose
// value differs. A secret cannot be read, so it is written each time, encrypted for GitHub. If the environment does not
// exist, Publish creates it without protection rules; an existing environment keeps its rules.
func (c *Client) Publish(ctx context.Context, repository, environmentName string, variables, secrets map[string]string) error {
	owner, name, err := splitRepository(repository)
	if err != nil {
		return err
	}
	e := environment{api: c.api, owner: owner, repository: name, name: environmentName}
	for _, step := range []func() error{
		func() error { return e.createIfMissing(ctx) },
		func() error { return e.setVariables(ctx, variables) },
		func() error { return e.setSecrets(ctx, secrets) },
	} {
		if err := step(); err != nil {
			return c.explain("publish to "+repository, "it needs a fine-grained token for that repository with "+PublishPermissions, err)
		}
	}
	return nil
}

// environment is a deployment environment of a repository.
type environment struct {
	api                     *gh.Client
	owner, repository, name string
}

// createIfMissing creates the environment if it does not exist. It never updates an existing environment, because that would
// remove its reviewers and branches.
func (e environment) createIfMissing(ctx context.Context) error {
	_, _, err := e.api.Repositories.GetEnvironment(ctx, e.owner, e.repository, e.name)
	if statusCode(err) != 404 {
		return err
	}
	_, _, err = e.api.Repositories.CreateUpdateEnvironment(ctx, e.owner, e.repository, e.name, &gh.CreateUpdateEnvironment{})
	return err
}

func (e environment) setVariables(ctx context.Context, variables map[string]string) error {
	current := map[string]string{}
	// The maximum page size of variables is 30.
	for variable, err := range e.api.Actions.ListEnvVariablesIter(ctx, e.owner, e.repository, e.name, &gh.ListOptions{PerPage: 30}) {
		if err != nil {
			return err
		}
		current[variable.Name] = variable.Value
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		value := variables[name]
		var err error
		if old, ok := current[name]; !ok {
			_, err = e.api.Actions.CreateEnvVariable(ctx, e.owner, e.repository, e.name, gh.ActionsCreateVariableRequest{Name: name, Value: value})
		} else if old != value {
			_, err = e.api.Actions.UpdateEnvVariable(ctx, e.owner, e.repository, e.name, name, gh.ActionsUpdateVariableRequest{Value: &value})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e environment) setSecrets(ctx context.Context, secrets map[string]string) error {
	if len(secrets) == 0 {
		return nil
	}
	key, _, err := e.api.Actions.GetEnvPublicKey(ctx, e.owner, e.repository, e.name)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		sealed, err := seal(secrets[name], key.GetKey())
		if err != nil {
			return err
		}
		request := gh.SecretRequest{KeyID: key.GetKeyID(), EncryptedValue: sealed}
		if _, err := e.api.Actions.CreateOrUpdateEnvSecret(ctx, e.owner, e.repository, e.name, name, request); err != nil {
			return err
		}
	}
	return nil
}

// seal encrypts a value with a public key, as a libsodium sealed box
// (https://docs.github.com/en/rest/guides/encrypting-secrets-for-the-rest-api). The key and the result are in base64.
func seal(value, key string) (string, error) {
	public, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(public) != 32 {
		return "", errors.New("the environment's public key is not 32 bytes in base64")
	}
	sealed, err := box.SealAnonymous(nil, []byte(value), (*[32]byte)(public), rand.Reader)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}
