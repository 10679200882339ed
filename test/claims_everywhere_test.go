package test

import (
	"regexp"
	"strings"
	"testing"
)

// providers is the provider blocks of a stack.
func (s stack) providers() []resource {
	list, _ := resource(s.body).get("provider", "aws").([]any)
	var all []resource
	for _, p := range list {
		all = append(all, p.(map[string]any))
	}
	return all
}

// defaultTags is the tags that the provider puts on everything.
func (s stack) defaultTags(t *testing.T) map[string]any {
	t.Helper()
	tags, ok := s.providers()[0].get("default_tags", 0, "tags").(map[string]any)
	if !ok {
		t.Fatalf("%s has no default tags", s.name)
	}
	return tags
}

func TestTheProviderRefusesOtherAccounts(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		if len(s.providers()) == 0 {
			t.Fatal("no provider")
		}
		for _, p := range s.providers() {
			equal(t, "accounts", p.strings("allowed_account_ids"), []string{"123456789012"})
			if p.get("alias") == nil {
				p.want(t, "eu-west-1", "region")
			}
			// Credentials come from the environment.
			for _, secret := range []string{"access_key", "secret_key", "token", "profile", "shared_credentials_files"} {
				p.want(t, nil, secret)
			}
		}
	})
}

func TestTheVersionsAreConstrained(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		terraform := resource(s.body)
		terraform.want(t, "~> 5.99", "terraform", "required_providers", "aws", "version")
		terraform.want(t, ">= 1.7.0", "terraform", "required_version")
	})
}

func TestEveryProviderTagsWhatItMakes(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		want := map[string]any{"project": "starttech", "managed-by": "terraform", "repository": "starttech/infrastructure"}
		if s.name != "bootstrap" {
			want["environment"] = s.name
		}
		for _, p := range s.providers() {
			equal(t, "default tags", p.get("default_tags", 0, "tags"), want)
		}
		for address, r := range s.resources() {
			tags, _ := r.get("tags").(map[string]any)
			for key := range tags {
				if want[key] != nil {
					t.Errorf("%s overrides the default tag %s", address, key)
				}
			}
		}
	})
}

var (
	word = regexp.MustCompile(`^[a-z][A-Za-z0-9_]*$`)
	hash = regexp.MustCompile(`_[0-9A-F]{8}$`) // what the constructs library makes ids unique with
)

func TestAddressesReadWellAndAreTheConstructsIds(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		for address, r := range s.resources() {
			id := address[strings.LastIndex(address, ".")+1:]
			if hash.MatchString(id) || !word.MatchString(id) {
				t.Errorf("%s is no address to read", address)
			}
			r.want(t, id, "//", "metadata", "uniqueId")
			path := r.text("//", "metadata", "path")
			if path != s.name+"/Default/"+id && path != s.name+"/"+id {
				t.Errorf("%s is the construct %s", address, path)
			}
		}
	})
}

func TestWhatHoldsDataRefusesToBeDestroyedInProductionAndNotInStaging(t *testing.T) {
	for name, protected := range map[string]bool{"production": true, "staging": false} {
		t.Run(name, func(t *testing.T) {
			s := variant(t, name)
			for _, kind := range []string{"aws_s3_bucket", "aws_ecr_repository", "aws_elasticache_replication_group", "aws_cloudwatch_log_group"} {
				for address, r := range s.ofType(kind) {
					if refuses, _ := r.get("lifecycle", "prevent_destroy").(bool); refuses != protected {
						t.Errorf("%s: prevent_destroy is %v", address, refuses)
					}
				}
			}
			// Emptying comes along where destroying is meant.
			s.resource(t, "aws_s3_bucket.frontend").want(t, !protected, "force_destroy")
			s.resource(t, "aws_ecr_repository.backend_images").want(t, !protected, "force_delete")
			for address, r := range s.resources() {
				if !protected && r.get("lifecycle", "prevent_destroy") == true {
					t.Errorf("%s cannot be destroyed", address)
				}
			}
		})
	}
}

// secret is what a leaked secret looks like: keys of AWS, private keys, addresses with a password.
var secret = regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@'"]+:[^/\s@'"]+@|(MONGO_URI|JWT_SECRET_KEY|REDIS_PASSWORD)=`)

func TestNoSecretStandsInTheJSON(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s stack) {
		if found := secret.Find(s.json); found != nil {
			t.Errorf("found %s", found)
		}
		for address, r := range s.resources() {
			for _, key := range []string{"auth_token", "password", "master_password", "secret_string", "private_key", "secret_key"} {
				if r.get(key) != nil {
					t.Errorf("%s says its %s", address, key)
				}
			}
			if strings.HasPrefix(address, "aws_ssm_parameter.") {
				r.want(t, "String", "type") // a SecureString's value would be in the state
				r.want(t, nil, "value")
			}
			if strings.HasPrefix(address, "aws_secretsmanager_secret_version.") || strings.HasPrefix(address, "random_password.") {
				t.Errorf("%s keeps a secret in the state", address)
			}
		}
	})
}
