// Command timezones writes the names of the time zones that Go brings, which are those of the package time/tzdata.
package main

import (
	"archive/zip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: timezones FILE")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "timezones:", err)
		os.Exit(1)
	}
}

func write(file string) error {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		return err
	}
	defer archive.Close()
	var names []string
	for _, entry := range archive.File {
		// Factory is the zone of a machine whose zone is not set (https://data.iana.org/time-zones/tzdb/factory).
		if !entry.FileInfo().IsDir() && entry.Name != "Factory" {
			names = append(names, entry.Name)
		}
	}
	slices.Sort(names)
	return os.WriteFile(file, []byte(strings.Join(names, "\n")+"\n"), 0o644)
}
