// Command resources creates 1,500 SSM parameters in one stack and prints, as JSON, the time that the 1st, the 150th and the
// 1,500th take, and the synthesis.
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

const (
	count  = 1500 // resources
	sample = 20   // resources to take the mean of, because one takes less than a millisecond
)

// output is printed. The bench subtracts the start of the process from First.
type output struct {
	First     time.Time     // when the first resource was created
	At150     time.Duration // for one resource, the mean of those around the 150th
	At1500    time.Duration // for one resource, the mean of the last
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

func run() output {
	app := cdktf.NewApp(nil)
	stack := cdktf.NewTerraformStack(app, jsii.String("resources"))
	provider.NewAwsProvider(stack, jsii.String("aws"), &provider.AwsProviderConfig{Region: jsii.String("eu-west-1")})

	created := make([]time.Time, count+1) // when resource n was created
	created[0] = time.Now()
	for n := 1; n <= count; n++ {
		ssmparameter.NewSsmParameter(stack, jsii.String(fmt.Sprintf("parameter_%d", n)), &ssmparameter.SsmParameterConfig{
			Name:  jsii.String(fmt.Sprintf("/bench/parameter/%d", n)),
			Type:  jsii.String("String"),
			Value: jsii.String(fmt.Sprint(n)),
		})
		created[n] = time.Now()
	}
	mean := func(last int) time.Duration { return created[last].Sub(created[last-sample]) / sample }
	start := time.Now()
	app.Synth()
	return output{First: created[1], At150: mean(150 + sample/2), At1500: mean(count), Synthesis: time.Since(start)}
}
