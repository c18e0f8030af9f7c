package sink

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

// fileSpec is {"type": "file", …}.
type fileSpec struct {
	common

	Path   string `json:"path"` // below the directory that the operator allows; may hold {kind} and {id}
	Rotate rotate `json:"rotate"`
	Sync   bool   `json:"sync"` // wait until the disk has what was written
}

// rotate says when a file is put aside and a new one begun.
type rotate struct {
	Size  resources.Size   `json:"size" min:"0B" max:"1024GiB"` // before it grows beyond; 0: any size
	Every cluster.Duration `json:"every" min:"0s" max:"8760h"`  // at the multiples of it since 1970, UTC; 0: never
	Keep  int              `json:"keep" min:"0" max:"10000"`    // how many that were put aside stay; 0: all
}

func defaultFile() *fileSpec {
	return &fileSpec{common: commonly(resources.SinkFile, 1000), Rotate: rotate{Size: 100 << 20, Keep: 7}}
}

func (f *fileSpec) check() error {
	switch example := fill(f.Path, Message{Source: "drm/kind/id"}); {
	case f.Path == "":
		return resources.Wrong("path", "is missing; it is below the directory of --sink-dir")
	case !filepath.IsLocal(example) || filepath.Clean(example) != example || example == ".":
		return resources.Wrong("path", fmt.Sprintf("is %q; it must be relative to the directory of --sink-dir, and not leave it", f.Path))
	case f.Rotate.Every > 0 && f.Rotate.Every < cluster.Duration(time.Second):
		return resources.Wrong("rotate.every", "is below 1s")
	}
	return checkFill("path", f.Path)
}

func (f *fileSpec) open(set *Set) target { return &toFile{set: set, spec: f} }

var errNoDir = errors.New("write to file: this node writes none; start it with --sink-dir DIR")

// toFile writes each message as a line to a file that all on the node who name it share. What rotates it are the settings of the first.
type toFile struct {
	set  *Set
	spec *fileSpec
	path string // "": not open
	file *file
}

func (t *toFile) send(ctx context.Context, batch []Message) error {
	if t.set.dir == "" {
		return errNoDir
	}
	lines, err := t.spec.lines(batch)
	if err != nil {
		return err
	}
	if t.path == "" { // all messages of a sink are of one resource, and so of one file
		t.path = fill(t.spec.Path, batch[0])
		t.file = t.set.files.open(t.path, func() *file { return newFile(t.set.dir, t.path, t.spec) })
	}
	if err := t.file.write(ctx, lines); err != nil {
		return fmt.Errorf("write to file %s: %w", t.path, err)
	}
	return nil
}

func (t *toFile) close() {
	if t.path != "" {
		t.set.files.close(t.path, (*file).end)
	}
}
