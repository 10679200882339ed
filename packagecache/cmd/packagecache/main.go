// Command packagecache prepares a jsii package cache for Go packages and prints its folder, so that
//
//	JSII_RUNTIME_PACKAGE_CACHE_ROOT=$(packagecache .local/packagecache .) cdktf synth
//
// synthesizes in a quarter of the time. Where none can be prepared, it says why and prints the folder that the jsii
// runtime takes without it: the work goes on. The folder is for what is imported now: ask for it before each run.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/starttech/infrastructure/packagecache"
)

const usage = `usage: packagecache FOLDER PACKAGE...       prepare a package cache below FOLDER and print its folder
       packagecache -key PACKAGE...         print what names it, for the cache of a pipeline`

func main() {
	if len(os.Args) < 3 || slices.ContainsFunc(os.Args[2:], isOption) || isOption(os.Args[1]) && os.Args[1] != "-key" {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if os.Args[1] == "-key" {
		key, err := packagecache.Key(ctx, ".", os.Args[2:]...)
		if err != nil {
			fmt.Fprintln(os.Stderr, "packagecache:", err)
			os.Exit(1)
		}
		fmt.Println(key)
		return
	}
	root, err := packagecache.Root(ctx, ".", os.Args[1], os.Args[2:]...)
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "packagecache: interrupted")
		os.Exit(1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "packagecache: the whole libraries are used:", err)
		root = cmp.Or(os.Getenv(packagecache.Variable), packagecache.DefaultRoot())
	}
	fmt.Println(root)
}

func isOption(argument string) bool { return strings.HasPrefix(argument, "-") }
