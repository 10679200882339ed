package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// claims is the payload of a session's token (https://www.rfc-editor.org/rfc/rfc7519).
type claims struct {
	User    string `json:"sub"`
	Session string `json:"jti"`
	Expires int64  `json:"exp"` // Unix time in seconds
}

// errToken is the error of a token that is not valid.
var errToken = errors.New("the token is not valid")

// tokenHeader is the only header that this application writes and accepts.
var tokenHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

// signToken returns claims as a JSON Web Token, signed with a key.
func signToken(key []byte, c claims) string {
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err) // a struct of strings and a number
	}
	content := tokenHeader + "." + base64.RawURLEncoding.EncodeToString(payload)
	return content + "." + base64.RawURLEncoding.EncodeToString(signature(key, content))
}

// verifyToken returns the claims of a token. It returns errToken if the signature is not the key's, or the token has expired.
func verifyToken(key []byte, token string, now time.Time) (claims, error) {
	last := strings.LastIndexByte(token, '.')
	if last < 0 {
		return claims{}, errToken
	}
	content := token[:last]
	given, err := base64.RawURLEncoding.DecodeString(token[last+1:])
	if err != nil || !hmac.Equal(given, signature(key, content)) {
		return claims{}, errToken
	}
	header, encoded, _ := strings.Cut(content, ".")
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	var c claims
	if err != nil || header != tokenHeader || json.Unmarshal(payload, &c) != nil || now.Unix() >= c.Expires {
		return claims{}, errToken
	}
	return c, nil
}

func signature(key []byte, content string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(content))
	return mac.Sum(nil)
}
