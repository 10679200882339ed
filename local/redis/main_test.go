package main

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Each Redis that PATH can offer: the same commands work, and the end of standard input ends the process.
func TestRedisServesUntilStandardInputEnds(t *testing.T) {
	program := filepath.Join(t.TempDir(), "redis")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	paths := map[string]string{"miniredis": t.TempDir()}
	if _, err := exec.LookPath("redis-server"); err == nil {
		paths["redis-server"] = os.Getenv("PATH")
	} else {
		t.Log("redis-server is not on PATH, so only miniredis is tested")
	}
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := listener.Addr().String()
			listener.Close()
			host, port, _ := strings.Cut(address, ":")
			command := exec.Command(program, host, port)
			directory := t.TempDir()
			command.Env = []string{"PATH=" + path, "TMPDIR=" + directory, "REDIS_PASSWORD=a \"password\""}
			command.Stderr = os.Stderr
			input, err := command.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			exited := make(chan error, 1)
			go func() { exited <- command.Wait() }()

			client := redis.NewClient(&redis.Options{Addr: address, Password: `a "password"`, MaxRetries: 20})
			defer client.Close()
			if err := client.Set(t.Context(), "key", "value", time.Minute).Err(); err != nil {
				t.Fatal(err)
			}
			if value, err := client.Get(t.Context(), "key").Result(); err != nil || value != "value" {
				t.Errorf("%q %v", value, err)
			}
			for _, name := range disabled {
				if err := client.Do(t.Context(), name).Err(); err == nil || !strings.Contains(err.Error(), "unknown command") {
					t.Errorf("%s: %v, want unknown command", name, err)
				}
			}
			stranger := redis.NewClient(&redis.Options{Addr: address})
			defer stranger.Close()
			if err := stranger.Get(context.Background(), "key").Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
				t.Errorf("without the password: %v", err)
			}
			_ = input.(io.Closer).Close()
			select {
			case err := <-exited:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				t.Error("the process is alive a minute after the end of its standard input")
			}
			if connection, err := net.Dial("tcp", address); err == nil {
				connection.Close()
				t.Error("the port is open")
			}
			if left, err := os.ReadDir(directory); err != nil || len(left) != 0 {
				t.Errorf("the process leaves %v (%v)", left, err)
			}
		})
	}
}
