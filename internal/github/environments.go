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

// PublishRights is what a fine-grained token needs to publish
// (https://docs.github.com/en/rest/authentication/permissions-required-for-fine-grained-personal-access-tokens).
const PublishRights = "Actions: read and Environments: write, and Administration: write where the environment is not there yet"

// Publish writes variables and secrets of an environment of a repository, by their names. Variables that have their
// value already are left alone; a secret cannot be read, so it is written each time, encrypted for GitHub. A missing
// environment is created, without protection rules; one that is there keeps its own.
func (c *Client) Publish(ctx context.Context, repository, environment string, variables, secrets map[string]string) error {
	owner, name, err := split(repository)
	if err != nil {
		return err
	}
	e := environmentOf{api: c.api, owner: owner, repository: name, name: environment}
	for _, step := range []func() error{
		func() error { return e.createMissing(ctx) },
		func() error { return e.setVariables(ctx, variables) },
		func() error { return e.setSecrets(ctx, secrets) },
	} {
		if err := step(); err != nil {
			return c.refused("publish to "+repository, "it needs a fine-grained token for that repository with "+PublishRights, err)
		}
	}
	return nil
}

// environmentOf is an environment of a repository.
type environmentOf struct {
	api                     *gh.Client
	owner, repository, name string
}

// createMissing creates the environment where there is none. The same call on one that is there would take its reviewers and
// its branches away, so it is made only when GitHub says that there is none.
func (e environmentOf) createMissing(ctx context.Context) error {
	_, _, err := e.api.Repositories.GetEnvironment(ctx, e.owner, e.repository, e.name)
	if status(err) != 404 {
		return err
	}
	_, _, err = e.api.Repositories.CreateUpdateEnvironment(ctx, e.owner, e.repository, e.name, &gh.CreateUpdateEnvironment{})
	return err
}

func (e environmentOf) setVariables(ctx context.Context, variables map[string]string) error {
	have := map[string]string{}
	// Of variables, GitHub lists 30 at most at a time.
	for variable, err := range e.api.Actions.ListEnvVariablesIter(ctx, e.owner, e.repository, e.name, &gh.ListOptions{PerPage: 30}) {
		if err != nil {
			return err
		}
		have[variable.Name] = variable.Value
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		value := variables[name]
		var err error
		if old, ok := have[name]; !ok {
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

func (e environmentOf) setSecrets(ctx context.Context, secrets map[string]string) error {
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

// seal encrypts a value for the owner of a public key alone, as a sealed box of libsodium
// (https://docs.github.com/en/rest/guides/encrypting-secrets-for-the-rest-api). Key and result are in Base64.
func seal(value, key string) (string, error) {
	public, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(public) != 32 {
		return "", errors.New("the environment's public key is not 32 bytes in Base64")
	}
	sealed, err := box.SealAnonymous(nil, []byte(value), (*[32]byte)(public), rand.Reader)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}
