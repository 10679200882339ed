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
	// The configuration on standard input keeps the password out of the list of processes.
	reader, writer := io.Pipe()
	go func() {
		fmt.Fprintf(writer, "bind %s\nport %s\nsave \"\"\nappendonly no\nprotected-mode no\n", host, port)
		if password != "" {
			fmt.Fprintf(writer, "requirepass %q\n", password)
		}
		writer.Close()
	}()
	command := exec.CommandContext(ctx, server, "-")
	command.Stdin, command.Stdout, command.Stderr = reader, os.Stdout, os.Stderr
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	err = runWithParent(command)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("redis-server ended: %w", err)
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
