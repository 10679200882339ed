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

// sumsFile lists the files of a prepared folder, in the form of sha256sum, and in the last line itself as it is without
// that. It also tells a folder that this package made from any other, and its time says when that was used last.
const sumsFile = "packagecache.sha256"

var errDamaged = errors.New("damaged")

// writeSums lists the files of a folder.
func writeSums(folder string) error {
	var out bytes.Buffer
	if err := filepath.WalkDir(folder, func(path string, file fs.DirEntry, err error) error {
		if err != nil || file.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		out.WriteString(sumLine(content, filepath.ToSlash(name)))
		return err
	}); err != nil {
		return err
	}
	out.WriteString(sumLine(out.Bytes(), sumsFile))
	return os.WriteFile(filepath.Join(folder, sumsFile), out.Bytes(), 0o644)
}

func sumLine(content []byte, name string) string {
	return fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name)
}

// check returns nil where a folder holds what was written into it and can be used, os.ErrNotExist where there is none,
// errDamaged where something has changed, and any other error where it cannot be used: the kernel sets the times of a
// marker in each entry, so that a folder which cannot be written to is of no use to it.
func check(folder string) error {
	if _, err := os.Lstat(folder); err != nil {
		return err
	}
	list := filepath.Join(folder, sumsFile)
	now := time.Now() // before anything else: whoever tidies up shall see that it is in use
	if err := os.Chtimes(list, now, now); err != nil {
		return damagedUnlessForbidden(err)
	}
	content, err := os.ReadFile(list)
	if err != nil {
		return damagedUnlessForbidden(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(content), "\n"), "\n")
	last := len(lines) - 1
	if above := strings.Join(lines[:last], ""); lines[last]+"\n" != sumLine([]byte(above), sumsFile) {
		return fmt.Errorf("%w: %s", errDamaged, list)
	}

	failed := make([]error, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for worker := range failed {
		all.Go(func() {
			for i := worker; i < last && failed[worker] == nil; i += len(failed) {
				failed[worker] = checkFile(folder, lines[i])
			}
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err // one is enough to say
		}
	}
	return nil
}

// checkFile compares a file with its line.
func checkFile(folder, line string) error {
	_, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
	path := filepath.Join(folder, filepath.FromSlash(name))
	content, err := os.ReadFile(path)
	if err != nil {
		return damagedUnlessForbidden(err)
	}
	if sumLine(content, name) != line {
		return fmt.Errorf("%w: %s", errDamaged, path)
	}
	if filepath.Base(name) == marker {
		now := time.Now()
		return os.Chtimes(path, now, now)
	}
	return nil
}

// damagedUnlessForbidden tells a file that is gone, or is none, from one that cannot be had here.
func damagedUnlessForbidden(err error) error {
	for _, forbidden := range []error{os.ErrPermission, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, forbidden) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}
