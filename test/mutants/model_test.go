package mutants

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	modelCheck = regexp.MustCompile(`(?m)^(good|live|bad|dead) +[*-] +(\S+)`)
	modelRow   = regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|.*\\| (.*) \\|$")
	modelLimit = regexp.MustCompile("(?m)^- `([a-z-]+)`: ")
	modelTest  = regexp.MustCompile("`(Test[^`]+)`(?: \\(([^)]+)\\)| in `([^`]+)`)?")
)

// Each rule that the model shows to be needed is shown so by a test of the code, too: docs/model/README.md names it, and what it
// names exists. Seen to fail with a row of the page taken out, a variant added to docs/model/check and a test renamed.
func TestTheModelNamesTestsOfTheCode(t *testing.T) {
	dir := filepath.Join(root(t), "docs", "model")
	page := read(t, filepath.Join(dir, "README.md"))
	named := map[string]bool{}
	for _, limit := range modelLimit.FindAllStringSubmatch(page, -1) {
		named[limit[1]] = true
	}
	for _, row := range modelRow.FindAllStringSubmatch(page, -1) {
		named[row[1]] = true
		tests := modelTest.FindAllStringSubmatch(row[2], -1)
		if len(tests) == 0 {
			t.Errorf("%s: its row names no test", row[1])
		}
		for _, test := range tests {
			if !shown(t, test[1], test[2], test[3]) {
				t.Errorf("%s: there is no such test, or no mutant that it catches: %s", row[1], test[0])
			}
		}
	}
	for _, check := range modelCheck.FindAllStringSubmatch(read(t, filepath.Join(dir, "check")), -1) {
		broken := check[1] == "bad" || check[1] == "dead"
		if broken && !named[check[2]] {
			t.Errorf("%s: README.md doesn't say what it removes", check[2])
		}
		delete(named, check[2])
	}
	for name := range named {
		t.Errorf("%s: it is in README.md, and not in check", name)
	}
}

// shown tells whether a test catches a mutant, the one named if one is, or stands in another package.
func shown(t *testing.T, test, broken, pkg string) bool {
	if pkg == "" {
		return slices.ContainsFunc(mutants(), func(m mutant) bool {
			return slices.Contains(strings.Split(m.test, "|"), test) && (broken == "" || m.broken == broken)
		})
	}
	files, err := filepath.Glob(filepath.Join(root(t), pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		return strings.Contains(read(t, file), "func "+test+"(")
	})
}
