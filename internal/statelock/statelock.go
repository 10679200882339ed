// Package statelock reads and mends the locks of the states in an S3 backend of Terraform, in the lock table or next to the state in S3, and the
// MD5 of a state's newest version, which the lock table has. All are as in
// https://github.com/hashicorp/terraform/blob/v1.11.4/internal/backend/remote-state/s3/client.go.
package statelock

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/starttech/infrastructure/internal/awserror"
)

// Backend is the settings of an S3 backend, as in a Terraform configuration.
type Backend struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Region string `json:"region"`
	Table  string `json:"dynamodb_table"` // empty: the states are locked in S3 only

	LockFile bool `json:"use_lockfile"` // whether the states are locked in S3

	Encrypt bool   `json:"encrypt"`
	KMSKey  string `json:"kms_key_id"` // empty: S3's own key
}

// Lock is Terraform's description of a lock.
type Lock struct {
	ID        string
	Operation string // OperationTypeApply
	Info      string // what the operation adds; Terraform adds nothing
	Who       string // user@host
	Version   string // of Terraform
	Created   time.Time
	Path      string // BUCKET/KEY

	Place string `json:"-"` // "the lock table starttech-terraform-lock"
	info  string // the lock, as it is there
	etag  string // of an object
}

// State is a state, its locks, and what the lock table has of it.
type State struct {
	Locks    []Lock // empty if the state is not locked; a Terraform takes one in each place
	Version  string
	Modified time.Time // zero if there is no state
	Serial   int
	MD5      string // of the newest version; empty if there is no state
	Digest   string // the MD5 that the lock table has; empty if it has none
	Damage   error  `json:"-"` // why the newest version is not a state

	hasTable bool // whether Terraform compares the MD5
}

// DigestDiffers reports whether Terraform refuses the state, because its MD5 is not that in the lock table.
func (s State) DigestDiffers() bool {
	return s.hasTable && s.MD5 != s.Digest && s.MD5 != "" && s.Damage == nil
}

// Client reads and mends the states of a backend.
type Client struct {
	backend  Backend
	dynamodb *dynamodb.Client
	s3       *s3.Client
}

// Open prepares to read a backend with the caller's credentials.
func Open(ctx context.Context, backend Backend) (*Client, error) {
	settings, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(backend.Region), awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fmt.Errorf("no AWS credentials: %w", err)
	}
	return New(settings, backend), nil
}

// New returns a client of a backend in the region of the settings.
func New(settings aws.Config, backend Backend) *Client {
	return &Client{
		backend:  backend,
		dynamodb: dynamodb.NewFromConfig(settings),
		s3:       s3.NewFromConfig(settings, func(options *s3.Options) { options.UsePathStyle = settings.BaseEndpoint != nil }),
	}
}

func (c *Client) lockID() string   { return c.backend.Bucket + "/" + c.backend.Key }
func (c *Client) digestID() string { return c.lockID() + "-md5" }
func (c *Client) lockKey() string  { return c.backend.Key + ".tflock" }

// Read returns the state's locks and MD5. A state that does not exist is no error.
func (c *Client) Read(ctx context.Context) (State, error) {
	state := State{hasTable: c.backend.Table != ""}
	var err error
	if state.Locks, err = c.locks(ctx); err != nil {
		return State{}, err
	}
	if state.hasTable {
		if state.Digest, err = c.attribute(ctx, c.digestID(), "Digest"); err != nil {
			return State{}, err
		}
	}
	content, object, err := c.object(ctx, c.backend.Key)
	if err != nil || object == nil {
		return state, err
	}
	var header struct{ Serial int }
	if json.Unmarshal(content, &header) != nil { // the error names types of Go
		state.Damage = fmt.Errorf("s3://%s is not a state; restore an earlier version: starttech rollback state", c.lockID())
	}
	state.MD5, state.Serial = sumOf(content), header.Serial
	state.Version, state.Modified = aws.ToString(object.VersionId), aws.ToTime(object.LastModified)
	return state, nil
}

// sumOf is the MD5 of a state, as the lock table has it.
func sumOf(content []byte) string {
	sum := md5.Sum(content)
	return hex.EncodeToString(sum[:])
}

// locks returns the locks of the state, in the order in which Terraform takes them.
func (c *Client) locks(ctx context.Context) (locks []Lock, err error) {
	if c.backend.LockFile {
		info, object, err := c.object(ctx, c.lockKey())
		if err != nil {
			return nil, err
		}
		if object != nil {
			locks = append(locks, Lock{Place: "s3://" + c.backend.Bucket + "/" + c.lockKey(), info: string(info), etag: aws.ToString(object.ETag)})
		}
	}
	if c.backend.Table != "" {
		info, err := c.attribute(ctx, c.lockID(), "Info")
		if err != nil {
			return nil, err
		}
		if info != "" {
			locks = append(locks, Lock{Place: "the lock table " + c.backend.Table, info: info})
		}
	}
	for i := range locks {
		if err := json.Unmarshal([]byte(locks[i].info), &locks[i]); err != nil {
			return nil, fmt.Errorf("the lock in %s: %w", locks[i].Place, err)
		}
	}
	return locks, nil
}

// object returns an object and its content; nil if there is none.
func (c *Client) object(ctx context.Context, key string) (content []byte, object *s3.GetObjectOutput, err error) {
	return c.get(ctx, &s3.GetObjectInput{Bucket: &c.backend.Bucket, Key: &key})
}

// get returns an object, or a version of one, and its content; nil if there is none.
func (c *Client) get(ctx context.Context, input *s3.GetObjectInput) (content []byte, object *s3.GetObjectOutput, err error) {
	object, err = c.s3.GetObject(ctx, input)
	var missing *s3types.NoSuchKey
	if errors.As(err, &missing) {
		return nil, nil, nil
	}
	if err == nil {
		defer object.Body.Close()
		content, err = io.ReadAll(object.Body)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read s3://%s/%s: %w", c.backend.Bucket, *input.Key, awserror.Plain(err))
	}
	return content, object, nil
}

// attribute returns a string of an item; empty if there is no such item.
func (c *Client) attribute(ctx context.Context, id, name string) (string, error) {
	answer, err := c.dynamodb.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &c.backend.Table, ConsistentRead: aws.Bool(true),
		Key: map[string]dynamodbtypes.AttributeValue{"LockID": &dynamodbtypes.AttributeValueMemberS{Value: id}},
	})
	if err != nil {
		return "", fmt.Errorf("read the lock table %s: %w", c.backend.Table, awserror.Plain(err))
	}
	value, _ := answer.Item[name].(*dynamodbtypes.AttributeValueMemberS)
	if value == nil {
		return "", nil
	}
	return value.Value, nil
}

// errChanged is the error of Mend if a Terraform is alive.
var errChanged = errors.New("the lock or the state has changed in the meantime: another Terraform runs, or has ended")

// Mend removes the locks of a state that Read has returned, and writes the MD5 of the newest version. It returns an error if a lock or the
// state has changed since then.
func (c *Client) Mend(ctx context.Context, state State) error {
	if now, err := c.Read(ctx); err != nil {
		return err
	} else if !slices.EqualFunc(now.Locks, state.Locks, isSame) || now.MD5 != state.MD5 || now.Digest != state.Digest {
		return errChanged
	}
	if state.DigestDiffers() { // first, so that no other Terraform gets the lock in between
		put := &dynamodb.PutItemInput{TableName: &c.backend.Table, Item: map[string]dynamodbtypes.AttributeValue{
			"LockID": &dynamodbtypes.AttributeValueMemberS{Value: c.digestID()},
			"Digest": &dynamodbtypes.AttributeValueMemberS{Value: state.MD5},
		}, ConditionExpression: aws.String("attribute_not_exists(LockID)")}
		if state.Digest != "" {
			put.ConditionExpression = aws.String("Digest = :digest")
			put.ExpressionAttributeValues = map[string]dynamodbtypes.AttributeValue{":digest": &dynamodbtypes.AttributeValueMemberS{Value: state.Digest}}
		}
		_, err := c.dynamodb.PutItem(ctx, put)
		if isConditionFailure(err) {
			return errChanged
		} else if err != nil {
			return fmt.Errorf("write the MD5 of the state into the lock table %s: %w", c.backend.Table, awserror.Plain(err))
		}
	}
	for _, lock := range state.Locks {
		if err := c.remove(ctx, lock); err != nil {
			return err
		}
	}
	return nil
}

func isSame(a, b Lock) bool { return a.Place == b.Place && a.info == b.info }

// remove deletes a lock unless it has changed.
func (c *Client) remove(ctx context.Context, lock Lock) error {
	var err error
	if lock.etag != "" {
		// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
		_, err = c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.backend.Bucket, Key: aws.String(c.lockKey()), IfMatch: &lock.etag})
	} else {
		_, err = c.dynamodb.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName:                 &c.backend.Table,
			Key:                       map[string]dynamodbtypes.AttributeValue{"LockID": &dynamodbtypes.AttributeValueMemberS{Value: c.lockID()}},
			ConditionExpression:       aws.String("Info = :info"),
			ExpressionAttributeValues: map[string]dynamodbtypes.AttributeValue{":info": &dynamodbtypes.AttributeValueMemberS{Value: lock.info}},
		})
	}
	if isConditionFailure(err) {
		return errChanged
	} else if err != nil {
		return fmt.Errorf("delete the lock %s: %w", lock.Place, awserror.Plain(err))
	}
	return nil
}

// isConditionFailure reports whether DynamoDB or S3 has refused a change because of its condition, which S3 also does if there is no such
// object, or if another client writes it at the same time (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
func isConditionFailure(err error) bool {
	var failed smithy.APIError
	return errors.As(err, &failed) && slices.Contains([]string{
		"ConditionalCheckFailedException", "ConditionalRequestConflict", "PreconditionFailed", "NoSuchKey",
	}, failed.ErrorCode())
}
