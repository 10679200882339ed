package packagecache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// sumsFile lists the files of a prepared directory in the format of sha256sum. Its last line is the checksum of the lines above.
// The file marks a directory that this package has prepared, and its modification time is the time of the last use.
const sumsFile = "packagecache.sha256"

var errDamaged = errors.New("damaged")

// writeSums writes the checksums of all files in a directory.
func writeSums(dir string) error {
	var out bytes.Buffer
	if err := filepath.WalkDir(dir, func(path string, file fs.DirEntry, err error) error {
		if err != nil || file.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		out.WriteString(sumLine(content, filepath.ToSlash(name)))
		return err
	}); err != nil {
		return err
	}
	out.WriteString(sumLine(out.Bytes(), sumsFile))
	return os.WriteFile(filepath.Join(dir, sumsFile), out.Bytes(), 0o644)
}

func sumLine(content []byte, name string) string {
	return fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name)
}

// check verifies the checksums of a directory, in which there must be no other file, and records that it is used. The error is
// os.ErrNotExist if there is no directory, errDamaged if its content has changed, and any other error if the directory cannot be used: the kernel sets the modification
// times of the marker files, so that it cannot use a read-only directory.
func check(dir string) error {
	if _, err := os.Lstat(dir); err != nil {
		return err
	}
	list := filepath.Join(dir, sumsFile)
	now := time.Now() // first of all, so that sweep in another process does not remove the directory
	if err := os.Chtimes(list, now, now); err != nil {
		return asDamage(err)
	}
	content, err := os.ReadFile(list)
	if err != nil {
		return asDamage(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(content), "\n"), "\n")
	last := len(lines) - 1
	if above := strings.Join(lines[:last], ""); lines[last]+"\n" != sumLine([]byte(above), sumsFile) {
		return fmt.Errorf("%w: %s", errDamaged, list)
	}
	if err := checkNames(dir, lines[:last]); err != nil {
		return err
	}

	errs := make([]error, runtime.GOMAXPROCS(0))
	var workers sync.WaitGroup
	for worker := range errs {
		workers.Go(func() {
			for i := worker; i < last && errs[worker] == nil; i += len(errs) {
				errs[worker] = checkFile(dir, lines[i])
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err // one is enough
		}
	}
	return nil
}

// checkNames returns an error if there is a file, a link or anything else that has no line in the checksums: Node.js would load
// lib/queue.js in place of lib/queue/index.js (https://nodejs.org/api/modules.html#all-together).
func checkNames(dir string, lines []string) error {
	listed := map[string]bool{sumsFile: true}
	for _, line := range lines {
		listed[nameIn(line)] = true
	}
	return filepath.WalkDir(dir, func(path string, file fs.DirEntry, err error) error {
		if err != nil {
			return asDamage(err)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if !file.IsDir() && (!listed[filepath.ToSlash(name)] || !file.Type().IsRegular()) {
			return fmt.Errorf("%w: %s is not a file of this package cache", errDamaged, path)
		}
		return nil
	})
}

// nameIn returns the name in a line of the checksums.
func nameIn(line string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
	return name
}

// checkFile compares a file with its line in the checksums.
func checkFile(dir, line string) error {
	name := nameIn(line)
	path := filepath.Join(dir, filepath.FromSlash(name))
	content, err := os.ReadFile(path)
	if err != nil {
		return asDamage(err)
	}
	if sumLine(content, name) != line {
		return fmt.Errorf("%w: %s", errDamaged, path)
	}
	if filepath.Base(name) == markerFile {
		now := time.Now()
		return os.Chtimes(path, now, now)
	}
	return nil
}

// asDamage returns errDamaged for a file that is missing or not a file, and err for a file that this process or this disk cannot
// access, because preparing it again would not help.
func asDamage(err error) error {
	for _, inaccessible := range []error{os.ErrPermission, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, inaccessible) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}
