package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// sleep is the stand-in for sleep. It divides the number of seconds by the time factor.
func sleep(arguments []string) error {
	c, err := ownConfig()
	if err != nil {
		return err
	}
	if len(arguments) != 1 {
		return errors.New("usage: sleep SECONDS")
	}
	seconds, err := strconv.ParseFloat(arguments[0], 64)
	if err != nil || seconds < 0 {
		return fmt.Errorf("%q is not a number of seconds", arguments[0])
	}
	time.Sleep(c.scale(time.Duration(seconds * float64(time.Second))))
	return nil
}
