package claims

import (
	"regexp"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/test/internal/harness"
)

// defaultTags is the tags that the provider puts on every resource.
func defaultTags(t *testing.T, s stack) map[string]any {
	t.Helper()
	tags, ok := s.Providers()[0].Get("default_tags", 0, "tags").(map[string]any)
	if !ok {
		t.Fatalf("%s has no default tags", s.Name)
	}
	return tags
}

func TestTheProviderRefusesOtherAccountsAndTagsEverything(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		e := s.Environment()
		tags := map[string]any{"project": "starttech", "managed-by": "terraform", "repository": e.Repository}
		if !s.IsBootstrap() {
			tags["environment"] = s.Name
		}
		if len(s.Providers()) == 0 {
			t.Fatal("there is no provider")
		}
		for _, p := range s.Providers() {
			equal(t, "accounts", p.Strings("allowed_account_ids"), []string{e.Account})
			equal(t, "default tags", p.Get("default_tags", 0, "tags"), tags)
			if p.Get("alias") == nil {
				p.Want(t, e.Region, "region")
			}
			// Credentials are from the process's environment.
			for _, secret := range []string{"access_key", "secret_key", "token", "profile", "shared_credentials_files"} {
				p.Want(t, nil, secret)
			}
		}
		for address, r := range s.Resources() {
			own, _ := r.Get("tags").(map[string]any)
			for key := range own {
				if tags[key] != nil {
					t.Errorf("%s overrides the default tag %s", address, key)
				}
			}
		}
	})
}

func TestTheVersionsAreConstrained(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		terraform := resource(s.Body)
		terraform.Want(t, "~> 5.99", "terraform", "required_providers", "aws", "version")
		required := ">= 1.7.0"
		if s.Environment().LocksInS3() {
			required = ">= 1.11.0"
		}
		terraform.Want(t, required, "terraform", "required_version")
	})
}

var (
	readable = regexp.MustCompile(`^[a-z][A-Za-z0-9_]*$`)
	hash     = regexp.MustCompile(`_[0-9A-F]{8}$`) // the construct library makes nested ids unique with it
)

func TestAddressesAreReadableAndTheConstructsIds(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		for address, r := range s.Resources() {
			id := harness.IDOf(address)
			if hash.MatchString(id) || !readable.MatchString(id) {
				t.Errorf("%s is not readable", address)
			}
			r.Want(t, id, "//", "metadata", "uniqueId")
			if path := r.Text("//", "metadata", "path"); path != s.Name+"/Default/"+id && path != s.Name+"/"+id {
				t.Errorf("%s is the construct %s", address, path)
			}
		}
	})
}

// secret matches keys of AWS, private keys, URLs with a password, and values of the backend's secrets.
var secret = regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@'"]+:[^/\s@'"]+@|(MONGO_URI|JWT_SECRET_KEY|REDIS_PASSWORD)=`)

func TestThereIsNoSecretInTheJSON(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		if found := secret.Find(s.JSON); found != nil {
			t.Errorf("found %s", found)
		}
		for address, r := range s.Resources() {
			for _, key := range []string{"auth_token", "password", "master_password", "secret_string", "private_key", "secret_key"} {
				if r.Get(key) != nil {
					t.Errorf("%s has a %s", address, key)
				}
			}
			if strings.HasPrefix(address, "aws_ssm_parameter.") {
				r.Want(t, "String", "type") // the value of a SecureString would be in the state
				r.Want(t, nil, "value")
			}
			if strings.HasPrefix(address, "aws_secretsmanager_secret_version.") || strings.HasPrefix(address, "random_password.") {
				t.Errorf("%s has a secret in the state", address)
			}
		}
	})
}
