package test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/internal/terraform"
	"github.com/starttech/infrastructure/local"
)

// checkSite visits the applied site as a browser would: the local AWS runs the distribution, its function and its
// bucket's policy.
func checkSite(t *testing.T, aws *local.AWS, stack *terraform.Stack) {
	values, err := stack.Outputs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bucket, _ := values["frontend_bucket"].(string)
	address, _ := values["site_url"].(string)
	host := strings.TrimPrefix(address, "https://")
	for path, content := range map[string]string{"/index.html": "<title>StartTech</title>", "/assets/app.3f9a.js": "app()"} {
		if status, body := request(t, aws, http.MethodPut, "", "/"+bucket+path, content); status != http.StatusOK {
			t.Fatalf("put %s: %d %s", path, status, body)
		}
	}

	for _, visit := range []struct {
		path, want string
		status     int
	}{
		{"/", "<title>StartTech</title>", http.StatusOK},
		{"/todos", "<title>StartTech</title>", http.StatusOK},
		{"/assets/app.3f9a.js", "app()", http.StatusOK},
		{"/assets/gone.js", "AccessDenied", http.StatusForbidden},
		{"/favicon.ico", "AccessDenied", http.StatusForbidden},
	} {
		status, body := request(t, aws, http.MethodGet, host, visit.path, "")
		if status != visit.status || !strings.Contains(body, visit.want) {
			t.Errorf("%s answers %d %q, want %d with %q", visit.path, status, body, visit.status, visit.want)
		}
	}
	// Nothing is behind the local load balancer: that the answer is its 503 shows that the path went there.
	if status, body := request(t, aws, http.MethodGet, host, "/tasks", ""); status < 500 {
		t.Errorf("/tasks answers %d %q, not from the load balancer", status, body)
	}
}

// request sends a request over HTTPS, as the local AWS takes it, to a host; to AWS itself where that is empty.
func request(t *testing.T, aws *local.AWS, method, host, path, content string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, aws.Endpoint()+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-Proto", "https")
	if host != "" {
		r.Host = host
	} else { // a call of AWS's API; the local AWS reads the access key and does not check the signature
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/"+aws.Region+"/x/aws4_request, SignedHeaders=host, Signature=x")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}
