// Command application is the entry point of the image of the tests.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		fmt.Println("application stops")
		os.Exit(0)
	}()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		directory, _ := os.Getwd()
		file, _ := os.ReadFile(".env")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"pid": os.Getpid(), "uid": os.Getuid(), "gid": os.Getgid(), "directory": directory, "file": string(file),
			"port": os.Getenv("PORT"), "greeting": os.Getenv("GREETING"), "base": os.Getenv("BASE"), "body": string(body),
		})
	})
	http.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) {
		fmt.Println("application crashes")
		os.Exit(3)
	})
	fmt.Println("application starts")
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
	os.Exit(1)
}
