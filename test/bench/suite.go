package main

import (
	"context"
	"os"
	"time"
)

// timeTests is how long make test SHORT=1 takes when everything is compiled, and no result of a test is taken from Go's
// cache.
func timeTests(ctx context.Context, root string) (time.Duration, error) {
	for _, warm := range [][]string{{"make", "lint"}, {"go", "test", "-short", "-exec", "true", "./..."}} {
		if err := quietly(command(ctx, root, warm...)); err != nil {
			return 0, err
		}
	}
	test := command(ctx, root, "make", "test", "SHORT=1")
	test.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -count=1")
	begin := time.Now()
	if err := quietly(test); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}
