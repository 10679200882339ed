package awserror

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

func TestPlainErrorsAreOneLine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") == "CancelInstanceRefresh" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte("<ErrorResponse><Error><Code>ActiveInstanceRefreshNotFound</Code><Message>No\nrefresh</Message></Error></ErrorResponse>"))
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	client := autoscaling.NewFromConfig(aws.Config{
		BaseEndpoint: &server.URL, Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1,
	})
	_, err := client.CancelInstanceRefresh(t.Context(), &autoscaling.CancelInstanceRefreshInput{AutoScalingGroupName: aws.String("g")})
	var none *types.ActiveInstanceRefreshNotFoundFault
	if got, want := Plain(err).Error(), "ActiveInstanceRefreshNotFound: No refresh"; got != want || !errors.As(Plain(err), &none) {
		t.Errorf("got %q, want %q", got, want)
	}
	_, err = client.DescribeInstanceRefreshes(t.Context(), &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: aws.String("g")})
	if got := Plain(err).Error(); !strings.HasPrefix(got, `Post "`+server.URL) || strings.Contains(got, "operation error") {
		t.Errorf("got %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.DescribeInstanceRefreshes(ctx, &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: aws.String("g")})
	if !errors.Is(Plain(err), context.Canceled) {
		t.Errorf("%v is not a cancellation", err)
	}
	if Plain(nil) != nil {
		t.Error("nil is an error")
	}
}
