// Command backend is the API of the example application: a task list that keeps its data in Redis. It follows the contract of the
// StartTech application, so it runs on this infrastructure unchanged.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// shutdownTimeout is how long requests may take after SIGTERM. Docker kills a container ten seconds after it
// (https://docs.docker.com/reference/cli/docker/container/stop/).
const shutdownTimeout = 8 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx is done. It logs to out.
func run(ctx context.Context, out io.Writer) error {
	s, err := loadSettings(".env", os.LookupEnv)
	if err != nil {
		return err
	}
	log := newLogger(out, s)
	store := newStore(s)
	defer store.close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(s.host, strconv.Itoa(s.port)))
	if err != nil {
		return err
	}
	name := rand.Text()[:6]
	log.Info("listening", "address", listener.Addr().String(), "backend", name, "envFile", s.envFile,
		"cache", s.cache, "redis", s.redisAddress)
	return serve(ctx, listener, newAPI(s, store, log, name), log)
}

// serve serves until ctx is done, and then finishes the requests that are in progress.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		// Longer than the 60 seconds of the load balancer. Otherwise it may reuse a connection that is being closed, and respond
		// with 502 (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html).
		IdleTimeout: 90 * time.Second,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down")
	timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(timeout); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	log.Info("stopped")
	return nil
}

// newLogger returns a logger in the format and with the level of the settings.
func newLogger(out io.Writer, s settings) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.logLevel}
	if s.logJSON {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}
