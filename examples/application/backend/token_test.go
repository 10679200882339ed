package main

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTokenIsVerified(t *testing.T) {
	key, now := []byte("key"), time.Unix(1000, 0)
	want := claims{User: "Ada", Session: "s", Expires: 1001}
	token := signToken(key, want)
	if got, err := verifyToken(key, token, now); err != nil || got != want {
		t.Fatalf("%+v, %v", got, err)
	}

	encode := base64.RawURLEncoding.EncodeToString
	payload := strings.Split(token, ".")[1]
	none := encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + payload
	for name, test := range map[string]struct {
		key   string
		token string
		now   time.Time
	}{
		"another key":          {"other", token, now},
		"expired":              {"key", token, now.Add(time.Second)},
		"another user":         {"key", strings.Replace(token, payload, encode([]byte(`{"sub":"Bob","exp":1001}`)), 1), now},
		"no signature":         {"key", none + ".", now},
		"no algorithm, signed": {"key", none + "." + encode(signature(key, none)), now},
		"two parts":            {"key", payload, now},
		"empty":                {"key", "", now},
	} {
		if got, err := verifyToken([]byte(test.key), test.token, test.now); !errors.Is(err, errToken) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// The example of https://www.rfc-editor.org/rfc/rfc7515#appendix-A.1 has another header, so only its signature is compared.
func TestSignatureIsHS256(t *testing.T) {
	key, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	if err != nil {
		t.Fatal(err)
	}
	const content = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	if got := base64.RawURLEncoding.EncodeToString(signature(key, content)); got != "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" {
		t.Errorf("the signature is %s", got)
	}
}
