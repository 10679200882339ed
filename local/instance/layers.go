package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Whiteouts delete files of lower layers: https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const (
	whiteout       = ".wh."
	opaqueWhiteout = ".wh..wh..opq"
)

// rootDirectory is the root directory of a container. All access goes through os.Root, so no file name and no symbolic link of an image
// leads out of it.
type rootDirectory struct {
	*os.Root
	path string // without symbolic links
}

// makeRootDirectory creates a root directory.
func makeRootDirectory(file string) (r rootDirectory, err error) {
	if err := os.MkdirAll(file, 0o755); err != nil {
		return r, err
	}
	if r.path, err = filepath.EvalSymlinks(file); err != nil {
		return r, err
	}
	r.Root, err = os.OpenRoot(r.path)
	return r, err
}

// extract extracts the layers of an image.
func (r rootDirectory) extract(image v1.Image) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		if err := r.extractLayer(layer); err != nil {
			return fmt.Errorf("extract the image: %w", err)
		}
	}
	return nil
}

func (r rootDirectory) extractLayer(layer v1.Layer) error {
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer content.Close()
	archive := tar.NewReader(content)
	added := map[string]bool{} // by this layer, with the parent directories
	for {
		header, err := archive.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, content) // the digest is verified at the end
			return err
		}
		if err != nil {
			return err
		}
		name := strings.TrimLeft(path.Clean("./"+header.Name), "/")
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%q is outside of the image", header.Name)
		}
		if err := r.apply(name, header, archive, added); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
		for parent := name; parent != "."; parent = path.Dir(parent) {
			added[parent] = true
		}
	}
}

// apply extracts an entry of a layer, or deletes what a whiteout names.
func (r rootDirectory) apply(name string, header *tar.Header, content io.Reader, added map[string]bool) error {
	directory, base := path.Dir(name), path.Base(name)
	if base == opaqueWhiteout {
		return r.clear(directory, added)
	}
	if deleted, ok := strings.CutPrefix(base, whiteout); ok {
		if name = path.Join(directory, deleted); deleted == "" || path.Base(name) != deleted {
			return errors.New("the whiteout names no file")
		}
		return r.RemoveAll(name)
	}
	if err := r.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	isDirectory := header.Typeflag == tar.TypeDir
	info, err := r.Lstat(name)
	if err == nil && !(isDirectory && info.IsDir()) {
		if err := r.RemoveAll(name); err != nil {
			return err
		}
	}
	switch header.Typeflag {
	case tar.TypeDir:
		err = r.MkdirAll(name, 0o755)
	case tar.TypeReg:
		err = r.write(name, content)
	case tar.TypeLink:
		return r.Link(strings.TrimLeft(path.Clean("./"+header.Linkname), "/"), name)
	case tar.TypeSymlink:
		err = r.symlink(header.Linkname, name)
	default:
		return nil // only root can make devices
	}
	if err != nil {
		return err
	}
	mode := header.FileInfo().Mode()
	if os.Geteuid() == 0 {
		if err := r.Lchown(name, header.Uid, header.Gid); err != nil {
			return err
		}
	} else if isDirectory {
		mode |= 0o700 // a user cannot extract into, or remove, a directory without these permissions
	}
	if header.Typeflag == tar.TypeSymlink {
		return nil
	}
	return r.Chmod(name, mode)
}

// clear deletes what lower layers have in a directory.
func (r rootDirectory) clear(directory string, added map[string]bool) error {
	return fs.WalkDir(r.FS(), directory, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || name == directory || added[name] {
			return err
		}
		err = r.RemoveAll(name)
		if err == nil && entry.IsDir() {
			err = fs.SkipDir
		}
		return err
	})
}

func (r rootDirectory) write(name string, content io.Reader) error {
	file, err := r.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// symlink makes a symbolic link. An absolute target becomes a relative one, which leads to the same file with and without chroot.
func (r rootDirectory) symlink(target, name string) error {
	if path.IsAbs(target) {
		directory, err := filepath.EvalSymlinks(filepath.Join(r.path, path.Dir(name)))
		if err != nil {
			return err
		}
		if target, err = filepath.Rel(directory, filepath.Join(r.path, path.Clean(target))); err != nil {
			return err
		}
	}
	return r.Symlink(target, name)
}

// put replaces a file, and creates its directory.
func (r rootDirectory) put(name string, content []byte, mode os.FileMode) error {
	name = strings.TrimLeft(path.Clean("/"+name), "/")
	if err := r.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := r.RemoveAll(name); err != nil {
		return err
	}
	if err := r.WriteFile(name, content, mode); err != nil {
		return err
	}
	return r.Chmod(name, mode)
}
