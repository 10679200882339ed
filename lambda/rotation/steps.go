package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	cachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// function is the Lambda function.
type function struct {
	settings
	manager   *secretsmanager.Client
	cache     *elasticache.Client
	instances *autoscaling.Client
}

func newManager(client aws.Config) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(client)
}

func newCache(client aws.Config) *elasticache.Client { return elasticache.NewFromConfig(client) }

func newInstances(client aws.Config) *autoscaling.Client { return autoscaling.NewFromConfig(client) }

// pendingVersions is the versions in a rotation that has the token as its new version. done is true if that version is current already.
func (f *function) pendingVersions(ctx context.Context, s secret, token string) (v versions, done bool, err error) {
	v, err = f.versions(ctx, s)
	switch {
	case err != nil:
		return nil, false, err
	case v.has(token, current):
		return v, true, nil
	case !v.has(token, pending):
		return nil, false, fmt.Errorf("version %s has not the label %s", token, pending)
	}
	return v, false, nil
}

// generate is a random value of 52 letters and digits, which are 260 bits. HS256 needs a key of 256 bits
// (https://datatracker.ietf.org/doc/html/rfc7518#section-3.2), and ElastiCache passwords of 16 to 128 characters
// (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html).
func generate() string { return rand.Text() + rand.Text() }

// minLength is that of a generated value, in characters.
const minLength = 52

// createSecret gives the new version a value. The secret need not have had one before.
func (f *function) createSecret(ctx context.Context, s secret, token string) error {
	v, done, err := f.pendingVersions(ctx, s, token)
	if err != nil || done {
		return err
	}
	if v.refreshing() {
		return errors.New("the instance refresh of the last rotation has not ended")
	}
	if _, err := f.value(ctx, s, token); !errors.Is(err, errNoValue) {
		return err
	}
	content, err := json.Marshal(map[string]string{s.variable: generate()})
	if err != nil {
		return err
	}
	_, err = f.manager.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &s.arn, ClientRequestToken: &token, VersionStages: []string{pending}, SecretString: aws.String(string(content)),
	})
	// The version has got another value since: the step runs twice.
	var exists *types.ResourceExistsException
	if errors.As(err, &exists) {
		return nil
	}
	return err
}

// accessString is what the user of the backend may do: every command on every key and channel
// (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html#Access-string).
const accessString = "on ~* &* +@all"

// setSecret gives the user of Redis the new password beside the current one, so that old and new instances can connect. The first version of a
// secret is current as soon as it has its value (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html), so
// the user may have no password although the version is current.
func (f *function) setSecret(ctx context.Context, s secret, token string) error {
	v, done, err := f.pendingVersions(ctx, s, token)
	if err != nil || s.redisUser == "" {
		return err
	}
	user, err := f.activeUser(ctx, s.redisUser)
	if err != nil || done && passwordCount(user) > 0 {
		return err
	}
	passwords, err := f.passwords(ctx, s, v, token)
	if err != nil {
		return err
	}
	if _, err := f.cache.ModifyUser(ctx, &elasticache.ModifyUserInput{
		UserId: &s.redisUser, AccessString: aws.String(accessString),
		AuthenticationMode: &cachetypes.AuthenticationMode{Type: cachetypes.InputAuthenticationTypePassword, Passwords: passwords},
	}); err != nil {
		return err
	}
	_, err = f.activeUser(ctx, s.redisUser)
	return err
}

func passwordCount(user *cachetypes.User) int {
	if user.Authentication == nil {
		return 0
	}
	return int(aws.ToInt32(user.Authentication.PasswordCount))
}

// passwords is the new password, and the current one if there is another. A user has at most two.
func (f *function) passwords(ctx context.Context, s secret, v versions, token string) ([]string, error) {
	created, err := f.value(ctx, s, token)
	if err != nil {
		return nil, err
	}
	if v.has(token, current) {
		return []string{created}, nil
	}
	used, err := f.value(ctx, s, v.holder(current))
	if errors.Is(err, errNoValue) {
		return []string{created}, nil
	}
	return []string{created, used}, err
}

// activeUser waits until no change of a user is in progress, at most until the function's time is over.
func (f *function) activeUser(ctx context.Context, id string) (*cachetypes.User, error) {
	for {
		described, err := f.cache.DescribeUsers(ctx, &elasticache.DescribeUsersInput{UserId: &id})
		if err != nil {
			return nil, err
		}
		if len(described.Users) != 1 {
			return nil, fmt.Errorf("there are %d users %s", len(described.Users), id)
		}
		if user := described.Users[0]; aws.ToString(user.Status) == "active" {
			return &user, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

// testSecret checks that the new version has a value of its own, and that the user of Redis accepts as many passwords as it has to. It does not
// log in: Redis is in the private subnets, and the function is not.
func (f *function) testSecret(ctx context.Context, s secret, token string) error {
	v, done, err := f.pendingVersions(ctx, s, token)
	if err != nil || done && s.redisUser == "" {
		return err
	}
	passwords, err := f.passwords(ctx, s, v, token)
	switch {
	case err != nil:
		return err
	case len(passwords[0]) < minLength:
		return fmt.Errorf("the new value has %d characters; the minimum is %d", len(passwords[0]), minLength)
	case len(passwords) == 2 && passwords[0] == passwords[1]:
		return errors.New("the new value is the current one")
	case s.redisUser == "":
		return nil
	}
	user, err := f.activeUser(ctx, s.redisUser)
	if err != nil {
		return err
	}
	// A current version may have kept the password before it beside its own.
	if count := passwordCount(user); count != len(passwords) && !(done && count > 0) {
		return fmt.Errorf("the user %s does not have %d passwords", s.redisUser, len(passwords))
	}
	return nil
}

// finishSecret makes the new version the current one, and starts the instance refresh. Without a version before, no instance has read a
// value, so none has to be replaced.
func (f *function) finishSecret(ctx context.Context, s secret, token string) error {
	v, done, err := f.pendingVersions(ctx, s, token)
	if err != nil {
		return err
	}
	if !done {
		if v.holder(current) != "" {
			if err := f.move(ctx, s, v, wanted, token); err != nil {
				return err
			}
		}
		if err := f.move(ctx, s, v, current, token); err != nil {
			return err
		}
	}
	return f.followRefresh(ctx, s)
}
