package mutants

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	all   = flag.Bool("mutants.all", false, "build and run every mutant, not only a handful")
	write = flag.Bool("mutants.write", false, "write docs/faults.md")
)

// mutant is one rule broken.
type mutant struct {
	rule   string // in the words of docs/design.md, section 4
	broken string // what was done to it
	edits  []edit
	test   string // the tests that must fail: a pattern for -run
	says   string // what their output must match
	short  bool   // also run without -mutants.all
	in     string // the folder whose tests these are; empty: cluster
}

// edit is one change to a file: of package cluster, or of a folder that it names.
type edit struct{ file, from, to string }

// overlap is what the ledger says when a runner runs under a claim that is not its own any more, or beside another.
const overlap = `though its claim in the store|runs on .* and on`

// enough is how long a mutant's tests may take: far more than they need.
const enough = 2 * time.Minute

func mutants() []mutant {
	return slices.Concat(trustMutants, startMutants, stopMutants, writeMutants, limboMutants, planMutants, sendMutants, deliverMutants, operateMutants, trimMutants, pollMutants, socketMutants, redisMutants)
}

// Whoever breaks a rule is told by the test named in the table.
func TestMutantsAreCaught(t *testing.T) {
	for _, m := range mutants() {
		t.Run(strings.ReplaceAll(m.broken, " ", "_"), func(t *testing.T) {
			overlay := mutate(t, m)
			if !*all && !m.short {
				t.Skip("its text is there; run with -mutants.all to see it caught")
			}
			t.Parallel()
			program := build(t, overlay, m)
			output, failed := run(t, program, m)
			switch {
			case !failed:
				t.Errorf("%s\nsurvived: %s\nthough %s passed:\n%s", m.rule, m.broken, m.test, output)
			case !regexp.MustCompile(m.says).Match(output):
				t.Errorf("%s\n%s: it was caught, but not with %q:\n%s", m.rule, m.broken, m.says, head(output))
			}
		})
	}
}

// mutate writes the files of package cluster that a mutant changes, and the overlay that puts them in place.
func mutate(t *testing.T, m mutant) (overlay string) {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for _, e := range m.edits {
		path := filepath.Join(root(t), "cluster", e.file)
		if strings.Contains(e.file, "/") {
			path = filepath.Join(root(t), e.file)
		}
		if replace[path] == "" {
			replace[path] = filepath.Join(dir, filepath.Base(e.file))
			copyFile(t, path, replace[path])
		}
		text := read(t, replace[path])
		if n := strings.Count(text, e.from); n != 1 {
			t.Fatalf("%s holds this text %d times, and not once:\n%s", e.file, n, e.from)
		}
		save(t, replace[path], strings.Replace(text, e.from, e.to, 1))
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	save(t, overlay, string(text))
	return overlay
}

// folder is where the tests of a mutant are.
func (m mutant) folder() string { return cmp.Or(m.in, "cluster") }

// build compiles a mutant's tests with an overlay.
func build(t *testing.T, overlay string, m mutant) (program string) {
	t.Helper()
	program = filepath.Join(filepath.Dir(overlay), "mutant.test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", program, "./"+m.folder())
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compile the mutant: %v\n%s", err, output)
	}
	return program
}

// run runs the tests that must fail.
func run(t *testing.T, program string, m mutant) (output []byte, failed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	args := []string{"-test.failfast", "-test.run", m.test}
	if m.folder() == "cluster" {
		args = append(args, "-sim.seeds", "60")
	} else {
		args = append(args, "-test.timeout", "1m") // one of them never ends by itself
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = filepath.Join(root(t), m.folder())
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s: %s has not failed after %v, nor ended:\n%s", m.broken, m.test, enough, head(output))
	}
	return output, err != nil
}

func head(output []byte) []byte { return output[:min(len(output), 3000)] }

// docs/faults.md says what is in the table. Write it anew with -mutants.write. What follows is test/campaign's.
func TestFaultsAreDocumented(t *testing.T) {
	var page bytes.Buffer
	page.WriteString(`# What was broken to see the tests fail

Each rule of the protocol was broken on purpose, and a test had to notice. "go test ./test/mutants -mutants.all"
does it again: it compiles the code with one change at a time and requires that the test named fails. This page is written by
"go test ./test/mutants -mutants.write" from the tables there, which hold the changes themselves.

| rule | broken | caught by |
| --- | --- | --- |
`)
	for _, m := range mutants() {
		page.WriteString("| " + m.rule + " | " + m.broken + " | `" + strings.ReplaceAll(m.test, "|", "`, `") + "` |\n")
	}
	path := filepath.Join(root(t), "docs", "faults.md")
	_, after, _ := strings.Cut(read(t, path), "\n# ")
	if after != "" {
		page.WriteString("\n# " + after)
	}
	if *write {
		save(t, path, page.String())
	}
	if read(t, path) != page.String() {
		t.Errorf("%s is not what the table says; run: go test ./test/mutants -mutants.write", path)
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func save(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	save(t, to, read(t, from))
}
