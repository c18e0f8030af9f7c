package metrics

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/drm-cluster/drm/cluster"
)

var update = flag.Bool("update", false, "rewrite the table in docs/metrics.md")

const (
	page       = "../docs/metrics.md"
	tableFirst = "<!-- generated: go test ./metrics -update -->\n"
	tableEnd   = "<!-- end of generated -->\n"
	rules      = "../deploy/prometheus/rules.yml"
	ruleTests  = "../deploy/prometheus/rules_test.yml"
)

// openLabels have values that depend on the build, the node or its users, so that the table names only the label.
var openLabels = []string{"kind", "node", "version", "revision", "goversion"}

// The table in the documentation is what the registry holds. Seen to fail with a help text changed.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), tableFirst)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !found || !ends {
		t.Fatalf("%s has no place for the table, between %q and %q", page, tableFirst, tableEnd)
	}
	whole := before + tableFirst + table(families(t, fresh(cluster.Stats{}))) + tableEnd + after
	if whole == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the registry holds; run: go test ./metrics -update", page)
	}
	if err := os.WriteFile(page, []byte(whole), 0o644); err != nil {
		t.Fatal(err)
	}
}

func table(all map[string]*dto.MetricFamily) string {
	var names []string
	for name := range all {
		if strings.HasPrefix(name, "drm_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString("| name | type | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, name := range names {
		f := all[name]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), labelColumn(f), f.GetHelp())
	}
	return b.String()
}

// labelColumn names the labels of a metric with the values that they have from the start.
func labelColumn(f *dto.MetricFamily) string {
	values := map[string][]string{}
	var order []string
	for _, metric := range f.Metric {
		for _, l := range metric.Label {
			if _, met := values[l.GetName()]; !met {
				order = append(order, l.GetName())
			}
			values[l.GetName()] = append(values[l.GetName()], "`"+l.GetValue()+"`")
		}
	}
	var column []string
	for _, name := range order {
		if slices.Contains(openLabels, name) {
			column = append(column, "`"+name+"`")
			continue
		}
		set := values[name]
		slices.Sort(set)
		column = append(column, "`"+name+"`: "+strings.Join(slices.Compact(set), " "))
	}
	if len(column) == 0 {
		return "–"
	}
	return strings.Join(column, "; ")
}

// Rules, their tests and the page must not speak of metrics that don't exist: such an alert never fires.
// Seen to fail with drm_fence_total in rules.yml.
func TestNamesExist(t *testing.T) {
	exist := families(t, fresh(cluster.Stats{}))
	name := regexp.MustCompile(`\bdrm_[a-z_]*[a-z]\b`)
	for _, path := range []string{page, rules, ruleTests} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := name.FindAllString(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no metric", path)
		}
		for _, n := range found {
			base := n
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				base = strings.TrimSuffix(base, suffix)
			}
			if exist[n] == nil && exist[base] == nil && n != "drm_cluster_" {
				t.Errorf("%s speaks of %s, which doesn't exist", path, n)
			}
		}
	}
}

// The rules are valid and fire when they should, as promtool judges. Seen to fail with the limit of
// DrmResourcesUnowned raised. Where promtool isn't installed only TestNamesExist looks at them; CI installs it.
func TestRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed: rules.yml is neither checked nor tested here")
		return
	}
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", ruleTests}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
