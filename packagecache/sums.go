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
	"time"
)

// sumsFile lists the files of a prepared folder, in the form that sha256sum --check reads. It also tells a folder that
// this package made from any other, and its time of modification when that was used last.
const sumsFile = "packagecache.sha256"

var errDamaged = errors.New("damaged")

// writeSums lists the files of a folder.
func writeSums(folder string) error {
	var out bytes.Buffer
	if err := filepath.WalkDir(folder, func(path string, file fs.DirEntry, err error) error {
		if err != nil || file.IsDir() {
			return err
		}
		sum, err := sumOf(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		fmt.Fprintf(&out, "%x  %s\n", sum, filepath.ToSlash(name))
		return err
	}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, sumsFile), out.Bytes(), 0o644)
}

// check returns nil where a folder holds what was written into it and can be used, os.ErrNotExist where there is none,
// errDamaged where a file has changed, and any other error where it cannot be used: the kernel sets the times of a
// marker in each entry, so that a folder which cannot be written to is of no use to it.
func check(folder string) error {
	sums, err := os.ReadFile(filepath.Join(folder, sumsFile))
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(folder); err == nil {
			return fmt.Errorf("%s: %w: %s is missing", folder, errDamaged, sumsFile)
		}
	}
	if err != nil {
		return err
	}

	lines := strings.Split(strings.TrimSuffix(string(sums), "\n"), "\n")
	failed := make([]error, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for worker := range failed {
		all.Go(func() {
			for i := worker; i < len(lines) && failed[worker] == nil; i += len(failed) {
				failed[worker] = checkLine(folder, lines[i])
			}
		})
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}

	now := time.Now()
	return os.Chtimes(filepath.Join(folder, sumsFile), now, now)
}

func checkLine(folder, line string) error {
	want, name, found := strings.Cut(line, "  ")
	if !found {
		return fmt.Errorf("%s: %w: %s: %q is no checksum", folder, errDamaged, sumsFile, line)
	}
	path := filepath.Join(folder, filepath.FromSlash(name))
	have, err := sumOf(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && fmt.Sprintf("%x", have) != want {
		return fmt.Errorf("%w: %s", errDamaged, path)
	}
	if err == nil && filepath.Base(name) == marker {
		now := time.Now()
		err = os.Chtimes(path, now, now)
	}
	return err
}

func sumOf(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	return sum[:], nil
}
