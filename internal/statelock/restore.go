package statelock

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/starttech/infrastructure/internal/awserror"
)

// errLocked is the error of Restore if somebody has locked the state since it was read.
var errLocked = errors.New("the state was locked in the meantime: another Terraform runs; try again when it has ended")

// RestoreOperation is the operation in the lock of Restore.
const RestoreOperation = "rollback state"

// Restoration is what Restore would write.
type Restoration struct {
	From   Version `json:"from"`
	Serial int     `json:"serial"` // of the new version

	// IsCurrent: the current version has the same content, and only another serial.
	IsCurrent bool `json:"isCurrent"`

	content []byte
	base    string // the current version
}

// PlanRestore reads a version, and compares it with the state that Read has returned. It returns an error if Terraform would refuse the version.
//
// Terraform refuses a state whose lineage differs or whose serial is not higher
// (https://developer.hashicorp.com/terraform/cli/commands/state/push). If there is no current state, or it is damaged, the newest version that
// is a state takes its place.
func (c *Client) PlanRestore(ctx context.Context, state State, id string) (Restoration, error) {
	from, err := c.Version(ctx, id)
	if err != nil {
		return Restoration{}, err
	}
	if from.Damage != "" {
		return Restoration{}, fmt.Errorf("the version %s is %s; choose another one", id, from.Damage)
	}
	latest, err := c.latest(ctx)
	if err != nil {
		return Restoration{}, err
	}
	if from.Lineage != latest.Lineage {
		return Restoration{}, fmt.Errorf("the version %s has the lineage %s, but the state has %s: Terraform refuses it, because it is another state; allowed: a version of the state's lineage",
			id, from.Lineage, latest.Lineage)
	}
	r := Restoration{From: from, Serial: latest.Serial + 1, base: state.Version}
	if r.content, err = withSerial(from.content, r.Serial); err != nil {
		return Restoration{}, err
	}
	if latest.IsCurrent {
		same, err := withSerial(latest.content, r.Serial)
		if err != nil {
			return Restoration{}, err
		}
		r.IsCurrent = bytes.Equal(same, r.content)
	}
	return r, nil
}

// latestVersions is the number of versions among which there has to be a state.
const latestVersions = 50

// latest returns the current version, or the newest one that is a state.
func (c *Client) latest(ctx context.Context) (Version, error) {
	for _, limit := range []int{1, latestVersions} {
		versions, _, err := c.Versions(ctx, limit)
		if err != nil {
			return Version{}, err
		}
		if i := slices.IndexFunc(versions, func(v Version) bool { return !v.IsDeleted && v.Damage == "" }); i >= 0 {
			return versions[i], nil
		}
	}
	return Version{}, fmt.Errorf("none of the last %d versions of s3://%s is a state", latestVersions, c.lockID())
}

// Restore writes a new version of the state, which PlanRestore has prepared. It takes Terraform's locks, writes the version, writes its MD5
// into the lock table, and removes the locks. who is user@host. It does not end if ctx is cancelled. If the process is killed, the locks stay,
// and Mend removes them and writes the MD5; after that, Restore can be repeated.
func (c *Client) Restore(ctx context.Context, r Restoration, who string) (err error) {
	ctx = context.WithoutCancel(ctx)
	locks, err := c.lock(ctx, Lock{
		ID: lockUUID(), Operation: RestoreOperation, Info: "to the version " + r.From.ID, Who: who, Created: time.Now().UTC(), Path: c.lockID(),
	})
	defer func() {
		for _, lock := range slices.Backward(locks) {
			if removal := c.remove(ctx, lock); removal != nil {
				removal = fmt.Errorf("%w; make unlock removes it", removal)
				if err != nil {
					removal = fmt.Errorf("%w; %w", err, removal)
				}
				err = removal
			}
		}
	}()
	if err != nil {
		return err
	}
	now, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if now.Version != r.base {
		return errors.New("the state has changed in the meantime: run the command again")
	}
	if err := c.put(ctx, r, who); err != nil {
		return err
	}
	if c.backend.Table == "" {
		return nil
	}
	_, err = c.dynamodb.PutItem(ctx, &dynamodb.PutItemInput{TableName: &c.backend.Table, Item: map[string]dynamodbtypes.AttributeValue{
		"LockID": &dynamodbtypes.AttributeValueMemberS{Value: c.digestID()},
		"Digest": &dynamodbtypes.AttributeValueMemberS{Value: sumOf(r.content)},
	}})
	if err != nil {
		return fmt.Errorf("the state is restored, but its MD5 is not in the lock table %s, which make unlock mends: %w", c.backend.Table, awserror.Plain(err))
	}
	return nil
}

// put writes the content as Terraform does.
func (c *Client) put(ctx context.Context, r Restoration, who string) error {
	input := &s3.PutObjectInput{
		Bucket: &c.backend.Bucket, Key: &c.backend.Key, Body: bytes.NewReader(r.content), ContentType: aws.String("application/json"),
		Metadata: map[string]string{metadataWho: who, metadataFrom: r.From.ID},
	}
	c.encrypt(input)
	if _, err := c.s3.PutObject(ctx, input); err != nil {
		return fmt.Errorf("write s3://%s: %w", c.lockID(), awserror.Plain(err))
	}
	return nil
}

// encrypt adds the backend's encryption to the request for an object.
func (c *Client) encrypt(input *s3.PutObjectInput) {
	input.ChecksumAlgorithm = s3types.ChecksumAlgorithmSha256
	switch {
	case !c.backend.Encrypt:
	case c.backend.KMSKey != "":
		input.ServerSideEncryption, input.SSEKMSKeyId = s3types.ServerSideEncryptionAwsKms, &c.backend.KMSKey
	default:
		input.ServerSideEncryption = s3types.ServerSideEncryptionAes256
	}
}

// lock takes the backend's locks in the order of Terraform, S3's first. It returns those that it has taken, also with an error.
func (c *Client) lock(ctx context.Context, lock Lock) (taken []Lock, err error) {
	info, err := json.Marshal(lock)
	if err != nil {
		return nil, err
	}
	places := 0
	for _, configured := range []bool{c.backend.LockFile, c.backend.Table != ""} {
		if configured {
			places++
		}
	}
	if c.backend.LockFile {
		input := &s3.PutObjectInput{
			Bucket: &c.backend.Bucket, Key: aws.String(c.lockKey()), Body: bytes.NewReader(info), ContentType: aws.String("application/json"), IfNoneMatch: aws.String("*"),
		}
		c.encrypt(input)
		_, err = c.s3.PutObject(ctx, input)
	}
	if c.backend.Table != "" && err == nil {
		_, err = c.dynamodb.PutItem(ctx, &dynamodb.PutItemInput{TableName: &c.backend.Table, Item: map[string]dynamodbtypes.AttributeValue{
			"LockID": &dynamodbtypes.AttributeValueMemberS{Value: c.lockID()},
			"Info":   &dynamodbtypes.AttributeValueMemberS{Value: string(info)},
		}, ConditionExpression: aws.String("attribute_not_exists(LockID)")})
	}
	// A request can have succeeded although its answer was lost, and its repetition was refused.
	found, readError := c.locks(ctx)
	for _, other := range found {
		if other.info == string(info) {
			taken = append(taken, other)
		}
	}
	switch {
	case readError != nil:
		return nil, fmt.Errorf("%w; if a lock is left, make unlock removes it", readError)
	case len(taken) == places:
		return taken, nil
	case isConditionFailure(err):
		return taken, errLocked
	case err != nil:
		return taken, fmt.Errorf("lock the state: %w", awserror.Plain(err))
	}
	return taken, errLocked // somebody has removed a lock
}

// lockUUID is a random UUID, as Terraform's IDs of locks are.
func lockUUID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (https://pkg.go.dev/crypto/rand#Read)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// sortNewestFirst sorts versions; S3's times have seconds, so the current one is first.
func sortNewestFirst(versions []Version) {
	slices.SortStableFunc(versions, func(a, b Version) int {
		if a.IsCurrent != b.IsCurrent {
			if a.IsCurrent {
				return -1
			}
			return 1
		}
		return b.Modified.Compare(a.Modified)
	})
}
