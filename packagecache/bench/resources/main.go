// Command resources creates 1,500 parameters in one stack and writes, as JSON, what the 1st, the 150th and the 1,500th
// cost, and the synthesis: what a resource costs on these bindings when there are few others, and when there are many.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/aws/jsii-runtime-go"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/provider"
	"github.com/cdktf/cdktf-provider-aws-go/aws/v19/ssmparameter"
	"github.com/hashicorp/terraform-cdk-go/cdktf"
)

// count is how many resources there are; the cost of one is the mean of some, as a single one takes under a millisecond.
const (
	count = 1500
	some  = 20
)

// costs is what is written. The bench knows when the process started, and reads First as the time since then.
type costs struct {
	First     time.Time     // when the first resource was there
	At150     time.Duration // of one resource, the mean of those around the 150th
	At1500    time.Duration // of one resource, the mean of the last
	Synthesis time.Duration
}

func main() {
	measured := run()
	jsii.Close()
	if err := json.NewEncoder(os.Stdout).Encode(measured); err != nil {
		fmt.Fprintln(os.Stderr, "resources:", err)
		os.Exit(1)
	}
}

func run() costs {
	app := cdktf.NewApp(nil)
	stack := cdktf.NewTerraformStack(app, jsii.String("resources"))
	provider.NewAwsProvider(stack, jsii.String("aws"), &provider.AwsProviderConfig{Region: jsii.String("eu-west-1")})

	at := make([]time.Time, count+1) // when that many resources were there
	at[0] = time.Now()
	for n := 1; n <= count; n++ {
		ssmparameter.NewSsmParameter(stack, jsii.String(fmt.Sprintf("parameter_%d", n)), &ssmparameter.SsmParameterConfig{
			Name:  jsii.String(fmt.Sprintf("/bench/parameter/%d", n)),
			Type:  jsii.String("String"),
			Value: jsii.String(fmt.Sprint(n)),
		})
		at[n] = time.Now()
	}
	mean := func(last int) time.Duration { return at[last].Sub(at[last-some]) / some }
	begin := time.Now()
	app.Synth()
	return costs{First: at[1], At150: mean(150 + some/2), At1500: mean(count), Synthesis: time.Since(begin)}
}
