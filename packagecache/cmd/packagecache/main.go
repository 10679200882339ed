// Command packagecache prepares a jsii package cache for Go packages and prints its directory. With it, a synthesis takes a
// quarter of the time:
//
//	JSII_RUNTIME_PACKAGE_CACHE_ROOT=$(packagecache .local/packagecache .) cdktf synth
//
// If it cannot prepare a package cache, it prints the reason to standard error and the directory that the jsii runtime would
// use otherwise, and succeeds. The package cache is for the current imports, so run the command before each synthesis.
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

const usage = `usage: packagecache DIRECTORY PACKAGE...    prepare a package cache below DIRECTORY and print its path
       packagecache -key PACKAGE...         print its key, for the cache of a pipeline`

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
	root, err := packagecache.Prepare(ctx, ".", os.Args[1], os.Args[2:]...)
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "packagecache: interrupted")
		os.Exit(1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "packagecache: using the complete libraries:", err)
		root = cmp.Or(os.Getenv(packagecache.Variable), packagecache.DefaultRoot())
	}
	fmt.Println(root)
}

func isOption(argument string) bool { return strings.HasPrefix(argument, "-") }
