//go:build linux

package fleet

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds the command drm into a directory and returns its path. It is to be called inside the repository;
// flags are for "go build", such as -race.
func Build(dir string, flags ...string) (string, error) {
	program := filepath.Join(dir, "drm")
	args := append([]string{"build", "-o", program}, flags...)
	out, err := exec.Command("go", append(args, "github.com/drm-cluster/drm/cmd/drm")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build drm: %w\n%s", err, out)
	}
	if err := dependOnSources(); err != nil {
		return "", fmt.Errorf("build drm: %w", err)
	}
	return program, nil
}

// dependOnSources makes "go test" run the tests again after any change to the module. It remembers good results, and knows of
// the files that a test opened, but not of those that a compiler did which the test has started.
func dependOnSources() error {
	root, err := Root()
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
}

// Root returns the directory of the module that the working directory is in.
func Root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if file == "" || file == os.DevNull {
		return "", fmt.Errorf("find the module: %w", fs.ErrNotExist)
	}
	return filepath.Dir(file), nil
}
