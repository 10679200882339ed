// Package statelock reads and mends what an S3 backend of Terraform keeps in its lock table: the lock of a state, and the MD5 of the state's
// newest version. Both are as in https://github.com/hashicorp/terraform/blob/v1.11.4/internal/backend/remote-state/s3/client.go.
package statelock

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
)

// Backend is the settings of an S3 backend, as in a Terraform configuration.
type Backend struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Region string `json:"region"`
	Table  string `json:"dynamodb_table"`
}

// Lock is Terraform's description of a lock.
type Lock struct {
	ID        string
	Operation string // OperationTypeApply
	Who       string // user@host
	Created   time.Time
}

// State is a state and what the lock table has of it.
type State struct {
	Lock     *Lock // nil if the state is not locked
	Version  string
	Modified time.Time // zero if there is no state
	Serial   int
	MD5      string // of the newest version; empty if there is no state
	Digest   string // the MD5 that the lock table has; empty if it has none

	info string // the lock, as it is in the table
}

// DigestDiffers reports whether Terraform refuses the state, because its MD5 is not that in the lock table.
func (s State) DigestDiffers() bool { return s.MD5 != s.Digest && s.MD5 != "" }

// Table is the lock table and the bucket of a backend.
type Table struct {
	backend  Backend
	dynamodb *dynamodb.Client
	s3       *s3.Client
}

// Open prepares to read a backend with the caller's credentials.
func Open(ctx context.Context, backend Backend) (*Table, error) {
	settings, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(backend.Region), awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fmt.Errorf("no AWS credentials: %w", err)
	}
	return &Table{
		backend:  backend,
		dynamodb: dynamodb.NewFromConfig(settings),
		s3:       s3.NewFromConfig(settings, func(options *s3.Options) { options.UsePathStyle = settings.BaseEndpoint != nil }),
	}, nil
}

func (t *Table) lockID() string   { return t.backend.Bucket + "/" + t.backend.Key }
func (t *Table) digestID() string { return t.lockID() + "-md5" }

// Read returns the state's lock and MD5. A state that does not exist is no error.
func (t *Table) Read(ctx context.Context) (State, error) {
	var state State
	var err error
	if state.info, err = t.attribute(ctx, t.lockID(), "Info"); err != nil {
		return State{}, err
	}
	if state.info != "" {
		state.Lock = &Lock{}
		if err := json.Unmarshal([]byte(state.info), state.Lock); err != nil {
			return State{}, fmt.Errorf("the lock in the table %s: %w", t.backend.Table, err)
		}
	}
	if state.Digest, err = t.attribute(ctx, t.digestID(), "Digest"); err != nil {
		return State{}, err
	}
	object, err := t.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &t.backend.Bucket, Key: &t.backend.Key})
	var missing *s3types.NoSuchKey
	if errors.As(err, &missing) {
		return state, nil
	} else if err != nil {
		return State{}, fmt.Errorf("read s3://%s: %w", t.lockID(), err)
	}
	defer object.Body.Close()
	content, err := io.ReadAll(object.Body)
	if err != nil {
		return State{}, fmt.Errorf("read s3://%s: %w", t.lockID(), err)
	}
	var header struct{ Serial int }
	if err := json.Unmarshal(content, &header); err != nil {
		return State{}, fmt.Errorf("s3://%s is not a state: %w; restore an earlier version (docs/runbook.md)", t.lockID(), err)
	}
	sum := md5.Sum(content)
	state.MD5, state.Serial = hex.EncodeToString(sum[:]), header.Serial
	state.Version, state.Modified = aws.ToString(object.VersionId), aws.ToTime(object.LastModified)
	return state, nil
}

// attribute returns a string of an item; empty if there is no such item.
func (t *Table) attribute(ctx context.Context, id, name string) (string, error) {
	answer, err := t.dynamodb.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.backend.Table, ConsistentRead: aws.Bool(true),
		Key: map[string]dynamodbtypes.AttributeValue{"LockID": &dynamodbtypes.AttributeValueMemberS{Value: id}},
	})
	if err != nil {
		return "", fmt.Errorf("read the lock table %s: %w", t.backend.Table, err)
	}
	value, _ := answer.Item[name].(*dynamodbtypes.AttributeValueMemberS)
	if value == nil {
		return "", nil
	}
	return value.Value, nil
}

// errChanged is the error of Mend if a Terraform is alive.
var errChanged = errors.New("the lock or the state has changed in the meantime: another Terraform runs, or has ended")

// Mend removes the lock of a state that Read has returned, and writes the MD5 of the newest version. It returns an error if the lock or the
// state has changed since then.
func (t *Table) Mend(ctx context.Context, state State) error {
	if now, err := t.Read(ctx); err != nil {
		return err
	} else if now.info != state.info || now.MD5 != state.MD5 || now.Digest != state.Digest {
		return errChanged
	}
	if state.DigestDiffers() { // first, so that no other Terraform gets the lock in between
		put := &dynamodb.PutItemInput{TableName: &t.backend.Table, Item: map[string]dynamodbtypes.AttributeValue{
			"LockID": &dynamodbtypes.AttributeValueMemberS{Value: t.digestID()},
			"Digest": &dynamodbtypes.AttributeValueMemberS{Value: state.MD5},
		}, ConditionExpression: aws.String("attribute_not_exists(LockID)")}
		if state.Digest != "" {
			put.ConditionExpression = aws.String("Digest = :digest")
			put.ExpressionAttributeValues = map[string]dynamodbtypes.AttributeValue{":digest": &dynamodbtypes.AttributeValueMemberS{Value: state.Digest}}
		}
		_, err := t.dynamodb.PutItem(ctx, put)
		if isConditionFailure(err) {
			return errChanged
		} else if err != nil {
			return fmt.Errorf("write the MD5 of the state into the lock table %s: %w", t.backend.Table, err)
		}
	}
	if state.Lock == nil {
		return nil
	}
	_, err := t.dynamodb.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &t.backend.Table,
		Key:                       map[string]dynamodbtypes.AttributeValue{"LockID": &dynamodbtypes.AttributeValueMemberS{Value: t.lockID()}},
		ConditionExpression:       aws.String("Info = :info"),
		ExpressionAttributeValues: map[string]dynamodbtypes.AttributeValue{":info": &dynamodbtypes.AttributeValueMemberS{Value: state.info}},
	})
	if isConditionFailure(err) {
		return errChanged
	} else if err != nil {
		return fmt.Errorf("delete the lock from the table %s: %w", t.backend.Table, err)
	}
	return nil
}

func isConditionFailure(err error) bool {
	var failed *dynamodbtypes.ConditionalCheckFailedException
	return errors.As(err, &failed)
}
