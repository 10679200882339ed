package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// maxFault is the longest time that a request may sleep, and compute.
const maxFault = time.Minute

// fault answers like a broken backend, for load tests and alarms: GET /tasks/fault?status=500&sleepMs=100&cpuMs=100. By default, the
// status is 200, and it neither sleeps nor computes. DEMO_FAULTS turns it on.
func fault(w http.ResponseWriter, r *http.Request) error {
	number := func(name string, fallback, lowest, highest int) (int, error) {
		value := r.URL.Query().Get(name)
		if value == "" {
			return fallback, nil
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < lowest || n > highest {
			return 0, failure{http.StatusBadRequest, fmt.Sprintf("%s is %q; allowed: a number from %d to %d", name, value, lowest, highest)}
		}
		return n, nil
	}
	status, err := number("status", http.StatusOK, 200, 599)
	if err != nil {
		return err
	}
	sleep, err := number("sleepMs", 0, 0, int(maxFault.Milliseconds()))
	if err != nil {
		return err
	}
	compute, err := number("cpuMs", 0, 0, int(maxFault.Milliseconds()))
	if err != nil {
		return err
	}
	select {
	case <-time.After(time.Duration(sleep) * time.Millisecond):
	case <-r.Context().Done():
		return r.Context().Err()
	}
	var sum [sha256.Size]byte
	for end := time.Now().Add(time.Duration(compute) * time.Millisecond); time.Now().Before(end) && r.Context().Err() == nil; {
		for range 1000 {
			sum = sha256.Sum256(sum[:])
		}
	}
	return respond(w, status, map[string]int{"status": status, "sleepMs": sleep, "cpuMs": compute})
}
