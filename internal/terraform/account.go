package terraform

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/starttech/infrastructure/config"
	"github.com/starttech/infrastructure/internal/awserror"
)

// CheckAccount returns an error unless the caller's credentials are for the environment's account. Terraform would refuse
// them as well, but later, and without the line of the file.
func CheckAccount(ctx context.Context, environment config.Environment) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()

	if endpoint := os.Getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		if _, err := url.Parse(endpoint); err != nil {
			return errors.New("AWS_ENDPOINT_URL is not a URL")
		}
	}
	settings, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(environment.Region), awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return fmt.Errorf("AWS settings: %w", err)
	}
	if _, err := settings.Credentials.Retrieve(ctx); err != nil {
		if strings.Contains(err.Error(), "no EC2 IMDS role found") { // the last source, if there are no credentials
			return errors.New(noCredentials)
		}
		return fmt.Errorf("%s (%w)", noCredentials, err)
	}
	caller, err := sts.NewFromConfig(settings).GetCallerIdentity(ctx, nil)
	if endpoint := os.Getenv("AWS_ENDPOINT_URL"); errors.Is(err, syscall.ECONNREFUSED) && endpoint != "" {
		return fmt.Errorf("AWS_ENDPOINT_URL is %s, where nothing answers: if it is from make env, run make up, or open another shell", endpoint)
	}
	if err != nil {
		var known *Error
		if errors.As(explain("check the account", err, values{}), &known) && known.Advice != "" {
			return known
		}
		return fmt.Errorf("AWS does not accept the credentials: %w", awserror.Plain(err))
	}
	if account := aws.ToString(caller.Account); account != environment.Account {
		return fmt.Errorf("%s: account: %q, but the credentials are for account %s (%s); edit that line or use other credentials",
			environment.AccountPosition, environment.Account, account, aws.ToString(caller.Arn))
	}
	return nil
}
