//go:build linux

package campaign

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/drm-cluster/drm/test/fleet"
)

// brokenBuild is drm with one rule broken, and the check that must notice when some faults are made.
type brokenBuild struct {
	check  string
	broken string
	edits  []edit
	faults []string
}

// edit is one change to a file of the repository, whose text must be there exactly once.
type edit struct{ file, from, to string }

// replacements returns the files of a broken build. A text that is not found exactly once is an error, so that the table follows
// the code.
func (b brokenBuild) replacements() ([]replacement, error) {
	root, err := fleet.Root()
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, e := range b.edits {
		path := filepath.Join(root, e.file)
		if texts[path] == "" {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("break %s: %w", e.file, err)
			}
			texts[path] = string(text)
		}
		if n := strings.Count(texts[path], e.from); n != 1 {
			return nil, fmt.Errorf("break %s: it holds this text %d times, and not once:\n%s", e.file, n, e.from)
		}
		texts[path] = strings.Replace(texts[path], e.from, e.to, 1)
	}
	var all []replacement
	for path, text := range texts {
		all = append(all, replacement{path, text})
	}
	return all, nil
}

func brokenBuilds() []brokenBuild {
	forAMinute := edit{"cluster/trust.go", "int64(a.SentAt.Add(t.window))", "int64(a.SentAt.Add(t.window + time.Minute))"}
	return []brokenBuild{
		{
			check: checkHeldTwice, broken: "a renewal is trusted for a minute more",
			edits: []edit{forAMinute}, faults: []string{"packets to a node dropped"},
		},
		{
			check: checkFrozen, broken: "whoever writes to a connection doesn't ask the clock whether trust has ended",
			edits:  []edit{{"cluster/run.go", "if c.Context.Err() == nil && !c.lease.trusted(c.cfg.Clock(), c.stop) {", "if false {"}},
			faults: []string{"machine frozen"},
		},
		{
			check: checkEpochs, broken: "the end of a run spends nothing",
			edits:  []edit{{"cluster/run.go", "	h.spent = max(h.spent, r.epoch)\n", ""}},
			faults: []string{"compacted behind a watch"},
		},
		{
			check: checkCalm, broken: "a deleted claim rests for an hour",
			edits:  []edit{{"cluster/fold_claim.go", "return time.Duration(p.TTL) * 5 / 4", "return time.Hour"}},
			faults: []string{"claims deleted by hand"},
		},
		{
			check: checkTrust, broken: "a renewal is trusted for a minute more",
			edits: []edit{forAMinute}, faults: []string{"etcd without a majority"},
		},
		{
			check: checkLeaks, broken: "each run leaves a goroutine behind",
			edits:  []edit{{"cluster/run.go", "	l.running.Go(func() {\n", "	go func() { select {} }()\n	l.running.Go(func() {\n"}},
			faults: []string{"ten times the resources"},
		},
		{
			check: checkLinear, broken: "a rewrite overwrites whatever is there",
			edits: []edit{{
				"cluster/claim.go", "If: []Guard{{ClaimPath(h.key), h.epoch}}, Path: ClaimPath(h.key), Value: value, Lease: on.id,",
				"Path: ClaimPath(h.key), Value: value, Lease: on.id,",
			}},
			faults: []string{"compacted behind a watch"},
		},
		{
			check: checkAccount, broken: "one write in seven is made and not told of",
			edits:  []edit{{"lease/trace.go", "	s.cfg.Log.LogAttrs(ctx, slog.LevelDebug, commitSent,", "	if s.commits.Load()%7 == 0 {\n		return func(cluster.Answer, error) {}\n	}\n	s.cfg.Log.LogAttrs(ctx, slog.LevelDebug, commitSent,"}},
			faults: []string{"compacted behind a watch"},
		},
		{
			check: checkLogs, broken: "some runs panic",
			edits:  []edit{{"cluster/run.go", "	return runner.Run(ctx, c)\n", "	if c.Epoch%50 == 0 {\n		panic(c.Key)\n	}\n	return runner.Run(ctx, c)\n"}},
			faults: []string{"ten times the resources"},
		},
	}
}
