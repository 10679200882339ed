package apply

import (
	"net/http"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/local"
)

// testSite requests the site as a browser does. The local AWS runs the distribution, its function and the bucket policy.
func testSite(t *testing.T, aws *local.AWS, outputs map[string]string) {
	host := strings.TrimPrefix(outputs["site_url"], "https://")
	for path, content := range map[string]string{"/index.html": "<title>StartTech</title>", "/assets/app.3f9a.js": "app()"} {
		if status, body := request(t, aws, http.MethodPut, "", "/"+outputs["frontend_bucket"]+path, content); status != http.StatusOK {
			t.Fatalf("put %s: %d %s", path, status, body)
		}
	}

	for _, c := range []struct {
		path, want string
		status     int
	}{
		{"/", "<title>StartTech</title>", http.StatusOK},
		{"/todos", "<title>StartTech</title>", http.StatusOK},
		{"/assets/app.3f9a.js", "app()", http.StatusOK},
		{"/assets/gone.js", "AccessDenied", http.StatusForbidden},
		{"/favicon.ico", "AccessDenied", http.StatusForbidden},
	} {
		status, body := request(t, aws, http.MethodGet, host, c.path, "")
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s responds with %d %q, want %d with %q", c.path, status, body, c.status, c.want)
		}
	}
	// The local load balancer has no instances, so it responds with 503.
	if status, body := request(t, aws, http.MethodGet, host, "/tasks", ""); status < 500 {
		t.Errorf("/tasks responds with %d %q, which is not from the load balancer", status, body)
	}
}
