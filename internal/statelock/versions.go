package statelock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/starttech/infrastructure/internal/awserror"
)

// Version is a version of a state in the bucket.
type Version struct {
	ID        string    `json:"versionId"`
	Modified  time.Time `json:"modified"`
	IsCurrent bool      `json:"current"`
	IsDeleted bool      `json:"deleted"` // a delete marker, which has no content

	Serial    int    `json:"serial"`
	Lineage   string `json:"lineage"`
	Terraform string `json:"terraform"` // the version that wrote it
	Resources int    `json:"resources"` // instances, as terraform state list prints them
	Damage    string `json:"damage,omitempty"`

	// Of a version that Restore has written. S3 does not record who wrote a version.
	Who          string `json:"who,omitempty"`
	RestoredFrom string `json:"restoredFrom,omitempty"`

	Differences Differences `json:"differences"` // from the current version

	content   []byte
	instances map[string][sha256.Size]byte // by address
}

// Differences is the number of addresses that a version has and the current one lacks, the other way round, and that both have with other values.
type Differences struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Changed int `json:"changed"`
}

// The metadata of a version that Restore has written.
const (
	metadataWho  = "restored-by"
	metadataFrom = "restored-from"
)

// reads is the number of versions that are read at a time.
const reads = 8

// Versions returns the newest versions of the state, newest first, at most limit, and whether there are more. It reads each of them.
func (c *Client) Versions(ctx context.Context, limit int) (versions []Version, more bool, err error) {
	pages := s3.NewListObjectVersionsPaginator(c.s3, &s3.ListObjectVersionsInput{
		Bucket: &c.backend.Bucket, Prefix: &c.backend.Key, MaxKeys: aws.Int32(int32(min(limit+1, 1000))),
	})
	for len(versions) <= limit && pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("list the versions of s3://%s: %w", c.lockID(), awserror.Plain(err))
		}
		others := false // the keys are in order; KEY.tflock follows KEY
		for _, v := range page.Versions {
			if aws.ToString(v.Key) != c.backend.Key {
				others = true
				continue
			}
			versions = append(versions, Version{ID: aws.ToString(v.VersionId), Modified: aws.ToTime(v.LastModified).UTC(), IsCurrent: aws.ToBool(v.IsLatest)})
		}
		for _, m := range page.DeleteMarkers {
			if aws.ToString(m.Key) == c.backend.Key {
				versions = append(versions, Version{ID: aws.ToString(m.VersionId), Modified: aws.ToTime(m.LastModified).UTC(), IsCurrent: aws.ToBool(m.IsLatest), IsDeleted: true})
			}
		}
		if others {
			break
		}
	}
	sortNewestFirst(versions)
	if more = len(versions) > limit; more {
		versions = versions[:limit]
	}
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(reads)
	for i := range versions {
		if !versions[i].IsDeleted {
			reading.Go(func() error { return c.readVersion(ctx, &versions[i]) })
		}
	}
	if err := reading.Wait(); err != nil {
		return nil, false, err
	}
	if len(versions) > 0 {
		current := versions[0].instances
		for i := range versions {
			versions[i].Differences = compare(versions[i].instances, current)
		}
	}
	return versions, more, nil
}

// Version returns one version of the state, and its differences from the current one.
func (c *Client) Version(ctx context.Context, id string) (Version, error) {
	version, current := Version{ID: id}, Version{}
	if err := c.readVersion(ctx, &version); err != nil {
		return version, err
	}
	content, object, err := c.object(ctx, c.backend.Key)
	if err != nil {
		return version, err
	}
	if object != nil {
		current.parse(content)
		version.IsCurrent = aws.ToString(object.VersionId) == id
	}
	version.Differences = compare(version.instances, current.instances)
	return version, nil
}

// readVersion reads the content of a version.
func (c *Client) readVersion(ctx context.Context, v *Version) error {
	content, object, err := c.get(ctx, &s3.GetObjectInput{Bucket: &c.backend.Bucket, Key: &c.backend.Key, VersionId: &v.ID})
	var api smithy.APIError
	// NoSuchVersion, InvalidArgument if it is no ID at all, MethodNotAllowed for a delete marker
	// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
	if errors.As(err, &api) && (api.ErrorCode() == "NoSuchVersion" || api.ErrorCode() == "InvalidArgument" || api.ErrorCode() == "MethodNotAllowed") || err == nil && object == nil {
		return fmt.Errorf("%q is not a version of s3://%s; without --to, the command lists them", v.ID, c.lockID())
	}
	if err != nil {
		return err
	}
	v.Modified, v.Who, v.RestoredFrom = aws.ToTime(object.LastModified).UTC(), object.Metadata[metadataWho], object.Metadata[metadataFrom]
	v.parse(content)
	return nil
}

// parse reads a state. Only digests of its instances are kept, next to the content.
func (v *Version) parse(content []byte) {
	v.content = content
	var state struct {
		Version   int
		Serial    int
		Lineage   string
		Terraform string `json:"terraform_version"`
		Resources []struct {
			Module, Mode, Type, Name string
			Instances                []json.RawMessage
		}
	}
	if err := json.Unmarshal(content, &state); err != nil {
		v.Damage = "not a state"
		return
	}
	// The format of Terraform since 0.12 (https://github.com/hashicorp/terraform/blob/v1.11.4/internal/states/statefile/version4.go).
	if state.Version != 4 || state.Lineage == "" {
		v.Damage = fmt.Sprintf("not a state of format 4, but %d", state.Version)
		return
	}
	v.Serial, v.Lineage, v.Terraform, v.instances = state.Serial, state.Lineage, state.Terraform, map[string][sha256.Size]byte{}
	for _, r := range state.Resources {
		address := r.Type + "." + r.Name
		if r.Mode == "data" {
			address = "data." + address
		}
		if r.Module != "" {
			address = r.Module + "." + address
		}
		for _, instance := range r.Instances {
			var key struct {
				Index   json.RawMessage `json:"index_key"`
				Deposed string
			}
			var compact bytes.Buffer
			if err := errors.Join(json.Unmarshal(instance, &key), json.Compact(&compact, instance)); err != nil {
				v.Damage = "not a state"
				return
			}
			v.instances[address+"["+string(key.Index)+"]"+key.Deposed] = sha256.Sum256(compact.Bytes())
		}
	}
	v.Resources = len(v.instances)
}

func compare(version, current map[string][sha256.Size]byte) Differences {
	var d Differences
	for address, sum := range version {
		if other, ok := current[address]; !ok {
			d.Added++
		} else if other != sum {
			d.Changed++
		}
	}
	d.Removed = len(current) - (len(version) - d.Added)
	return d
}

// withSerial returns a state with another serial, and every other byte as it is.
func withSerial(content []byte, serial int) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	if _, err := decoder.Token(); err != nil { // {
		return nil, err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		if key == "serial" {
			end := int(decoder.InputOffset())
			return bytes.Join([][]byte{content[:end-len(value)], content[end:]}, []byte(strconv.Itoa(serial))), nil
		}
	}
	return nil, errors.New("the state has no serial")
}
