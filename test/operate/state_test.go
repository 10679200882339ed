package operate

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/starttech/infrastructure/internal/statelock"
	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// cut is a client of AWS whose process is killed after a number of requests that change something.
type cut struct {
	after   int
	changes []string
}

var errKilled = errors.New("killed")

func (c *cut) Do(r *http.Request) (*http.Response, error) {
	isChange := r.Method == http.MethodPut || r.Method == http.MethodDelete ||
		strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutItem") || strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DeleteItem")
	if len(c.changes) >= c.after {
		return nil, errKilled
	}
	if isChange {
		name := r.Method + r.URL.Path
		if _, action, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
			name = action
		}
		c.changes = append(c.changes, name)
	}
	return http.DefaultClient.Do(r)
}

// stateBackends are those of state.lock: dynamodb, s3 and both.
func stateBackends(t *testing.T) map[string]statelock.Backend {
	t.Helper()
	client := s3Client(t)
	created, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String("states"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region},
	})
	harness.Must(t, created, err)
	versioned, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: aws.String("states"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	harness.Must(t, versioned, err)
	table, err := dynamodb.NewFromConfig(settings(t)).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("locks"), BillingMode: dynamodbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []dynamodbtypes.AttributeDefinition{{AttributeName: aws.String("LockID"), AttributeType: dynamodbtypes.ScalarAttributeTypeS}},
		KeySchema:            []dynamodbtypes.KeySchemaElement{{AttributeName: aws.String("LockID"), KeyType: dynamodbtypes.KeyTypeHash}},
	})
	harness.Must(t, table, err)
	backends := map[string]statelock.Backend{}
	for name, backend := range map[string]statelock.Backend{"dynamodb": {Table: "locks"}, "s3": {LockFile: true}, "both": {Table: "locks", LockFile: true}} {
		backend.Bucket, backend.Region, backend.Encrypt = "states", region, true
		backends[name] = backend
	}
	return backends
}

// stateOf is a state with a resource of each value; the value "secret" never leaves it.
func stateOf(serial int, lineage string, values ...string) string {
	var resources []string
	for i, value := range values {
		resources = append(resources, fmt.Sprintf(`{"mode": "managed", "type": "terraform_data", "name": "r%d", "instances": [{"attributes": {"input": %q}}]}`, i, value))
	}
	return fmt.Sprintf("{\n  \"version\": 4,\n  \"terraform_version\": \"1.11.4\",\n  \"serial\": %d,\n  \"lineage\": %q,\n  \"resources\": [%s]\n}\n",
		serial, lineage, strings.Join(resources, ", "))
}

func putState(t *testing.T, backend statelock.Backend, content string) (version string) {
	t.Helper()
	put, err := s3Client(t).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &backend.Bucket, Key: &backend.Key, Body: strings.NewReader(content)})
	return *harness.Must(t, put, err).VersionId
}

func currentState(t *testing.T, backend statelock.Backend) (content string, object *s3.GetObjectOutput) {
	t.Helper()
	object, err := s3Client(t).GetObject(t.Context(), &s3.GetObjectInput{Bucket: &backend.Bucket, Key: &backend.Key})
	harness.Must(t, object, err)
	defer object.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(object.Body)
	harness.Must(t, 0, err)
	return body.String(), object
}

func TestStateIsRestoredAlsoAfterAKill(t *testing.T) {
	start(t, local.Options{})
	for name, backend := range stateBackends(t) {
		changes := map[string][]string{
			"dynamodb": {"PutItem", "PUT/states/KEY", "PutItem", "DeleteItem"},
			"s3":       {"PUT/states/KEY.tflock", "PUT/states/KEY", "DELETE/states/KEY.tflock"},
			"both":     {"PUT/states/KEY.tflock", "PutItem", "PUT/states/KEY", "PutItem", "DeleteItem", "DELETE/states/KEY.tflock"},
		}[name]
		for after := range len(changes) + 1 {
			t.Run(fmt.Sprint(name, ", killed after ", after, " changes"), func(t *testing.T) {
				backend.Key = fmt.Sprintf("%s-%d/terraform.tfstate", name, after)
				old := putState(t, backend, stateOf(3, "lineage", "a"))
				putState(t, backend, stateOf(7, "lineage", "b", "c"))
				states := statelock.New(settings(t), backend)
				mend := func() {
					t.Helper()
					state, err := states.Read(t.Context())
					harness.Must(t, 0, err)
					harness.Must(t, 0, states.Mend(t.Context(), state))
				}
				mend() // the MD5, which Terraform would have written

				state, err := states.Read(t.Context())
				harness.Must(t, 0, err)
				plan, err := states.PlanRestore(t.Context(), state, old)
				harness.Must(t, 0, err)
				harness.Equal(t, "serial", plan.Serial, 8)
				harness.Equal(t, "differences", plan.From.Differences, statelock.Differences{Removed: 1, Changed: 1})
				killed := settings(t)
				client := &cut{after: after}
				killed.HTTPClient, killed.RetryMaxAttempts = client, 1
				err = statelock.New(killed, backend).Restore(t.Context(), plan, "ann@laptop")
				wanted := strings.Split(strings.ReplaceAll(strings.Join(changes[:after], " "), "KEY", backend.Key), " ")
				if after == 0 {
					wanted = nil
				}
				harness.Equal(t, "changes", client.changes, wanted)
				harness.Equal(t, "whether it has failed", err != nil, after < len(changes))

				left, err := states.Read(t.Context())
				harness.Must(t, 0, err)
				if after > 0 && after < len(changes) {
					harness.Equal(t, "lock that is left", left.Locks[0].Operation+" "+left.Locks[0].Who, "rollback state ann@laptop")
				}
				mend()
				again, err := states.PlanRestore(t.Context(), harness.Must(t, left, err), old)
				harness.Must(t, 0, err)
				if !again.IsCurrent {
					harness.Must(t, 0, states.Restore(t.Context(), again, "ann@laptop"))
				}

				content, object := currentState(t, backend)
				harness.Equal(t, "state", content, stateOf(8, "lineage", "a"))
				harness.Equal(t, "encryption", object.ServerSideEncryption, s3types.ServerSideEncryptionAes256)
				harness.Equal(t, "type", aws.ToString(object.ContentType), "application/json")
				end, err := states.Read(t.Context())
				harness.Must(t, 0, err)
				if len(end.Locks) > 0 || end.DigestDiffers() {
					t.Errorf("%+v is locked, or has another MD5", end)
				}
				versions, _, err := states.Versions(t.Context(), 10)
				harness.Must(t, 0, err)
				var listed []string
				for _, v := range versions {
					listed = append(listed, fmt.Sprint(v.Serial, " ", v.Resources, " ", v.Differences, " ", v.Who, v.RestoredFrom == old))
				}
				harness.Equal(t, "versions", listed, []string{"8 1 {0 0 0} ann@laptoptrue", "7 2 {1 0 1} false", "3 1 {0 0 0} false"})
			})
		}
	}
}

func TestOtherStatesAreNotRestored(t *testing.T) {
	start(t, local.Options{})
	for name, backend := range stateBackends(t) {
		t.Run(name, func(t *testing.T) {
			backend.Key = name + "/terraform.tfstate"
			other := putState(t, backend, stateOf(3, "another", "a"))
			damaged := putState(t, backend, `{"version": 4, "serial": 1, "lin`)
			old := putState(t, backend, stateOf(4, "lineage", "a"))
			putState(t, backend, stateOf(5, "lineage", "b"))
			states := statelock.New(settings(t), backend)
			read := func() statelock.State {
				t.Helper()
				state, err := states.Read(t.Context())
				return harness.Must(t, state, err)
			}
			for id, want := range map[string]string{
				other: "the version " + other + " has the lineage another, but the state has lineage: Terraform refuses it, because it is another state; " +
					"allowed: a version of the state's lineage",
				damaged: "the version " + damaged + " is not a state; choose another one",
				"none":  `"none" is not a version of s3://states/` + backend.Key + "; without --to, the command lists them",
			} {
				_, err := states.PlanRestore(t.Context(), read(), id)
				harness.Equal(t, "error", errorText(err), want)
			}

			// A deploy that ends between the plan and the lock, and one that has the lock.
			plan, err := states.PlanRestore(t.Context(), read(), old)
			harness.Must(t, 0, err)
			newest := putState(t, backend, stateOf(6, "lineage", "c"))
			harness.Equal(t, "error", errorText(states.Restore(t.Context(), plan, "ann@laptop")), "the state has changed in the meantime: run the command again")
			plan, err = states.PlanRestore(t.Context(), read(), old)
			harness.Must(t, 0, err)
			killed := settings(t)
			killed.HTTPClient, killed.RetryMaxAttempts = &cut{after: 1}, 1
			if err := statelock.New(killed, backend).Restore(t.Context(), plan, "bob@laptop"); !errors.Is(err, errKilled) {
				t.Error(err)
			}
			harness.Equal(t, "error", errorText(states.Restore(t.Context(), plan, "ann@laptop")), "the state was locked in the meantime: another Terraform runs; try again when it has ended")
			locks := read().Locks
			harness.Equal(t, "locks", len(locks), 1)
			harness.Equal(t, "holder", locks[0].Who, "bob@laptop")
			harness.Equal(t, "state", read().Version, newest)
			harness.Must(t, 0, states.Mend(t.Context(), read()))

			// The newest version that is a state decides if the current one is damaged, or deleted.
			putState(t, backend, "{")
			plan, err = states.PlanRestore(t.Context(), read(), old)
			harness.Must(t, 0, err)
			harness.Must(t, 0, states.Restore(t.Context(), plan, "ann@laptop"))
			content, _ := currentState(t, backend)
			harness.Equal(t, "state after a damaged one", content, stateOf(7, "lineage", "a"))
			deleted, err := s3Client(t).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &backend.Bucket, Key: &backend.Key})
			harness.Must(t, deleted, err)
			plan, err = states.PlanRestore(t.Context(), read(), newest)
			harness.Must(t, 0, err)
			harness.Must(t, 0, states.Restore(t.Context(), plan, "ann@laptop"))
			content, _ = currentState(t, backend)
			harness.Equal(t, "state after a deleted one", content, stateOf(8, "lineage", "c"))
		})
	}
}
