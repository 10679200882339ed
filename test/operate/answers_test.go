package operate

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/internal/operate"
	"github.com/starttech/infrastructure/test/internal/harness"
)

// answer starts a server in place of AWS.
func answer(t *testing.T, handler http.HandlerFunc) *operate.Environment {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	return open(t, operate.Outputs{
		"auto_scaling_group_name": group, "distribution_id": "E1", "ecr_repository_url": "x/y", "frontend_bucket": bucket,
		"parameter_path": "/starttech/staging/backend/", "release_parameter": parameter,
	})
}

// An answer may lack what AWS documents as present.
func TestIncompleteAnswersDoNotPanic(t *testing.T) {
	e := answer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch text := r.URL.RawQuery + string(body); {
		case strings.Contains(text, "Action=DescribeAutoScalingGroups"):
			fmt.Fprint(w, `<R><DescribeAutoScalingGroupsResult><AutoScalingGroups><member><TargetGroupARNs><member>a</member></TargetGroupARNs>
				<Instances><member/></Instances></member></AutoScalingGroups></DescribeAutoScalingGroupsResult></R>`)
		case strings.Contains(text, "Action=DescribeTargetHealth"):
			fmt.Fprint(w, `<R><DescribeTargetHealthResult><TargetHealthDescriptions><member/></TargetHealthDescriptions></DescribeTargetHealthResult></R>`)
		case strings.Contains(text, "versions"):
			fmt.Fprint(w, `<ListVersionsResult><Version/><DeleteMarker/></ListVersionsResult>`)
		case strings.Contains(r.URL.Path, "/invalidation"):
			w.WriteHeader(http.StatusCreated)
		default:
			fmt.Fprint(w, "{}")
		}
	})
	ignore := func(string) {}
	harness.Equal(t, "error", errorText(e.Invalidate(t.Context(), ignore)), "invalidate the page: AWS returns no invalidation")
	_, err := e.Released(t.Context())
	harness.Equal(t, "error", errorText(err), "read the parameter "+parameter+": AWS returns no parameter")
	instances, err := e.Instances(t.Context())
	harness.Equal(t, "instances", harness.Must(t, instances, err), []operate.Instance{{}})
	_, err = e.PlanRestore(t.Context(), time.Now(), func(operate.Restore) error { return nil })
	harness.Must(t, 0, err)
	variables, err := e.Variables(t.Context())
	harness.Equal(t, "variables", len(harness.Must(t, variables, err)), 0)
}
