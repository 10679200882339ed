package apply

import (
	"net/http"
	"strings"
	"testing"

	"github.com/starttech/infrastructure/local"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// testSite requests the site as a browser does. The local AWS runs the distribution, its function and the bucket policy.
func testSite(t *testing.T, aws *local.AWS, outputs map[string]string) {
	files := harness.WriteFiles(t, map[string]string{"index.html": "<title>StartTech</title>", "assets/app.3f9a.js": "app()"})
	mustAWSCLI(t, aws, "s3", "sync", files, "s3://"+outputs["frontend_bucket"])

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
		status, body := get(t, aws, outputs["site_url"], c.path)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s responds with %d %q, want %d with %q", c.path, status, body, c.status, c.want)
		}
	}
	// The local load balancer has no instances, so it responds with 503.
	if status, body := get(t, aws, outputs["site_url"], "/tasks"); status < 500 {
		t.Errorf("/tasks responds with %d %q, which is not from the load balancer", status, body)
	}
}
