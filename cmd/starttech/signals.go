package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// stopSignals end a command after what it is doing: Ctrl-C, kill, Ctrl-\, and a closed terminal or lost connection.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP}

// withSignals returns a context that is cancelled by the first of stopSignals, and if nothing reads standard output or standard error any
// more, as in make plan | head. The later signals do nothing. The cause of the cancellation names the signal.
func withSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	received := notifyStop()
	signal.Notify(received, syscall.SIGPIPE) // without this, the write would end the process
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for each := range received {
			// A connection to AWS that AWS has closed is a broken pipe as well.
			if each != syscall.SIGPIPE || isBroken(os.Stdout) || isBroken(os.Stderr) {
				cancel(fmt.Errorf("interrupted by %s", unix.SignalName(each.(syscall.Signal))))
			}
		}
	}()
	return ctx, func() {
		signal.Stop(received)
		cancel(nil)
	}
}

// notifyStop returns a channel that receives stopSignals. signal.Stop ends that.
func notifyStop() chan os.Signal {
	received := make(chan os.Signal, 8)
	for _, each := range stopSignals {
		if !signal.Ignored(each) { // nohup ignores SIGHUP
			signal.Notify(received, each)
		}
	}
	return received
}

// isBroken reports whether a file is a pipe that nobody reads any more.
func isBroken(file *os.File) bool {
	descriptors := []unix.PollFd{{Fd: int32(file.Fd())}}
	_, err := unix.Poll(descriptors, 0)
	return err == nil && descriptors[0].Revents&unix.POLLERR != 0
}
