package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write what TestDocs checks")

// docs/cli.md shows every flag, exit code and signal as the program has them: the parts between two markers are
// written by go test ./cmd/drm -run TestDocs -update. Seen to fail with a flag added.
func TestDocs(t *testing.T) {
	const path = "../../docs/cli.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for _, cmd := range newRoot(process{}).Commands() {
		if !cmd.Hidden && cmd.LocalFlags().HasFlags() {
			want = fill(t, want, "flags of "+cmd.Name(), flagTable(cmd.LocalFlags()))
		}
	}
	want = fill(t, want, "exit codes", codeTable())
	want = fill(t, want, "signals", "```\n"+signalsHelp+"\n```\n")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s is not what the program does; run: go test ./cmd/drm -run TestDocs -update", path)
	}
}

// fill replaces what stands between the markers of a part.
func fill(t *testing.T, text, part, content string) string {
	t.Helper()
	before, rest, ok := strings.Cut(text, "<!-- "+part+" -->\n")
	_, after, closed := strings.Cut(rest, "<!-- end -->\n")
	if !ok || !closed {
		t.Fatalf("docs/cli.md has no part <!-- %s --> … <!-- end -->", part)
	}
	return before + "<!-- " + part + " -->\n" + content + "<!-- end -->\n" + after
}

func flagTable(flags *pflag.FlagSet) string {
	text := new(strings.Builder)
	text.WriteString("| flag | variable | default | |\n| --- | --- | --- | --- |\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || !bindable(f) {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if f.Value.Type() != "bool" {
			name += " " + strings.ReplaceAll(f.Value.Type(), "|", `\|`)
		}
		fmt.Fprintf(text, "| `%s` | `%s` | %s | %s |\n", name, envName(f.Name), cmp.Or(f.DefValue, "–"), f.Usage)
	})
	return text.String()
}

func codeTable() string {
	text := new(strings.Builder)
	text.WriteString("| code | meaning |\n| --- | --- |\n")
	for _, e := range exitCodes {
		fmt.Fprintf(text, "| %d | %s |\n", e.code, e.meaning)
	}
	fmt.Fprintf(text, "| 128+n | %s |\n", killedMeaning)
	return text.String()
}
