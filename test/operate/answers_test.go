package operate

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/starttech/infrastructure/config"
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

func TestErrorsOfAWSAreOneLineWithoutTheRequest(t *testing.T) {
	e := answer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" { // of CloudWatch: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
			w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "\xa1\x66__type\x6cAccessDenied")
			return
		}
		w.WriteHeader(http.StatusForbidden)
		if r.Header.Get("X-Amz-Target") != "" {
			fmt.Fprint(w, `{"__type": "AccessDenied", "message": "not allowed"}`)
			return
		}
		fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>not allowed</Message></Error></ErrorResponse>`)
	})
	e.Secrets = &config.Secrets{}
	ctx, ignore := t.Context(), func(string) {}
	calls := map[string]func() error{
		"follow":          func() error { _, err := e.FollowRefresh(ctx, "", ignore); return err },
		"start":           func() error { _, err := e.StartRefresh(ctx); return err },
		"cancel":          func() error { return e.CancelRefresh(ctx) },
		"is released":     func() error { _, err := e.WaitForLastRefresh(ctx, ignore); return err },
		"released":        func() error { _, err := e.Released(ctx); return err },
		"releases":        func() error { _, err := e.Releases(ctx); return err },
		"put back":        func() error { _, err := e.PutBack(ctx, operate.KilledRelease{Before: "none"}, ignore); return err },
		"instances":       func() error { _, err := e.Instances(ctx); return err },
		"images":          func() error { _, err := e.Images(ctx); return err },
		"password":        func() error { _, err := e.RegistryPassword(ctx); return err },
		"variables":       func() error { _, err := e.Variables(ctx); return err },
		"secret":          func() error { return e.CreateSecretValue(ctx) },
		"invalidation":    func() error { return e.Invalidate(ctx, ignore) },
		"page":            func() error { _, _, err := e.FrontendReleased(ctx); return err },
		"state":           func() error { _, err := operate.Open(ctx, e.Environment); return err },
		"lock":            func() error { _, err := e.StateLock(ctx); return err },
		"parts of status": func() error { return errors.New(fmt.Sprint(e.Status(ctx).Unknown)) },
	}
	for name, call := range calls {
		text := errorText(call())
		if text == "" || strings.Contains(text, "operation error") || strings.Contains(text, "https response") || strings.Contains(text, "\n") {
			t.Errorf("%s: %q", name, text)
		}
	}
	harness.Equal(t, "error", errorText(calls["follow"]()), "read the instance refreshes of "+group+": AccessDenied: not allowed")
}

func TestDamagedStateIsReported(t *testing.T) {
	content := ""
	e := answer(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, content) })
	for _, content = range []string{"[]", `"x"`, "{", `{"outputs": 1}`, "\x00"} {
		_, err := operate.Open(t.Context(), e.Environment)
		harness.Equal(t, "error", errorText(err), "the state of staging in s3://starttech-terraform-state-"+account+
			"/staging/terraform.tfstate is damaged: not a Terraform state; starttech rollback state lists earlier versions")
	}
}
