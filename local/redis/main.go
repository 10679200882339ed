// Command redis is the Redis of the local AWS: redis-server if it is on PATH, otherwise miniredis. It ends when its standard input
// does, so it does not survive the emulator.
//
//	redis HOST PORT
//
// The environment variable REDIS_PASSWORD is the password; without it, there is none.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: redis HOST PORT")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	err := run(ctx, os.Args[1], os.Args[2], os.Getenv("REDIS_PASSWORD"))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, host, port, password string) error {
	server, err := exec.LookPath("redis-server")
	if errors.Is(err, exec.ErrNotFound) {
		return runMiniredis(ctx, net.JoinHostPort(host, port), password)
	} else if err != nil {
		return err
	}
	directory, err := os.MkdirTemp("", "redis-") // only this user can read it
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	command := exec.CommandContext(ctx, server, "-")
	// The configuration on standard input keeps the password out of the list of processes.
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(configuration(host, port, password)), os.Stdout, os.Stderr
	command.Dir = directory
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	err = runWithParent(command)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("redis-server ended: %w", err)
}

// disabled are commands that write files, load code or end the server. Every user of this machine can reach the port. ElastiCache does
// not have most of them either: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ClientConfig.RestrictedCommands.html
var disabled = []string{
	"BGREWRITEAOF", "BGSAVE", "CONFIG", "DEBUG", "MIGRATE", "MODULE", "PSYNC", "REPLICAOF", "SAVE", "SHUTDOWN", "SLAVEOF", "SYNC",
}

// configuration returns the content of redis.conf.
func configuration(host, port, password string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "bind %s\nport %s\nsave \"\"\nappendonly no\nprotected-mode no\n", host, port)
	for _, command := range disabled {
		fmt.Fprintf(&b, "rename-command %s \"\"\n", command)
	}
	if password != "" {
		fmt.Fprintf(&b, "requirepass %q\n", password)
	}
	return b.String()
}

func runMiniredis(ctx context.Context, address, password string) error {
	server := miniredis.NewMiniRedis()
	if password != "" {
		server.RequireAuth(password)
	}
	if err := server.StartAddr(address); err != nil {
		return err
	}
	defer server.Close()
	<-ctx.Done()
	return nil
}
