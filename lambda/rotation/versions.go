package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// The staging labels of Secrets Manager
// (https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html#term_version).
const (
	current  = "AWSCURRENT"
	pending  = "AWSPENDING"
	previous = "AWSPREVIOUS"
)

// The function's own labels, each on one version at most. A label that is on a version without AWSCURRENT waits until the version gets that
// label.
const (
	// wanted is on a version that the instances have to read: no instance refresh has been started for it.
	wanted = "REFRESH"
	// followed, and the id of an instance refresh, is on the version that it brings to the instances.
	followed = "REFRESH-"
	// reverted is on a version that is used again after a failed refresh: no instance refresh has been started for it. That refresh is
	// not followed, so that two versions never take turns.
	reverted = "REVERT"
)

// versions is the labels of a secret's versions, by version.
type versions map[string][]string

// holder is the version with a label, or empty.
func (v versions) holder(label string) string {
	for version, labels := range v {
		if slices.Contains(labels, label) {
			return version
		}
	}
	return ""
}

func (v versions) has(version, label string) bool { return slices.Contains(v[version], label) }

// followedRefresh is the version with the label followed, and the id in it, or empty.
func (v versions) followedRefresh() (version, id string) {
	for version, labels := range v {
		for _, label := range labels {
			if id, ok := strings.CutPrefix(label, followed); ok {
				return version, id
			}
		}
	}
	return "", ""
}

// refreshing reports whether the refresh of an earlier rotation has not ended.
func (v versions) refreshing() bool {
	_, id := v.followedRefresh()
	at := v.holder(current)
	return id != "" || at != "" && (v.has(at, wanted) || v.has(at, reverted))
}

func (f *function) versions(ctx context.Context, s secret) (versions, error) {
	described, err := f.manager.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.arn})
	if err != nil {
		return nil, err
	}
	return described.VersionIdsToStages, nil
}

// move moves a label to a version, from the version that has it.
func (f *function) move(ctx context.Context, s secret, v versions, label, to string) error {
	from := v.holder(label)
	if from == to {
		return nil
	}
	input := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &s.arn, VersionStage: &label, MoveToVersionId: &to}
	if from != "" {
		input.RemoveFromVersionId = &from
	}
	_, err := f.manager.UpdateSecretVersionStage(ctx, input)
	return err
}

// remove takes a label from the version that has it.
func (f *function) remove(ctx context.Context, s secret, v versions, label string) error {
	from := v.holder(label)
	if from == "" {
		return nil
	}
	_, err := f.manager.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &s.arn, VersionStage: &label, RemoveFromVersionId: &from,
	})
	return err
}

// errNoValue is that a version, or the label, does not exist, or that the version has no value yet. A rotation begins with such a version.
var errNoValue = errors.New("there is no value")

// value is the generated value of a version.
func (f *function) value(ctx context.Context, s secret, version string) (string, error) {
	if version == "" {
		return "", errNoValue
	}
	got, err := f.manager.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.arn, VersionId: &version})
	var notFound *types.ResourceNotFoundException
	if errors.As(err, &notFound) {
		return "", errNoValue
	} else if err != nil {
		return "", err
	}
	var variables map[string]string
	if err := json.Unmarshal([]byte(aws.ToString(got.SecretString)), &variables); err != nil || variables[s.variable] == "" {
		return "", fmt.Errorf("version %s is not a JSON object with %s", version, s.variable) // without the value
	}
	return variables[s.variable], nil
}
