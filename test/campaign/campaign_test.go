//go:build linux

package campaign

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/test/etcdtest"
	"github.com/drm-cluster/drm/test/fleet"
)

var (
	lasts   = flag.Duration("campaign", 0, "deal hands for this long, instead of every fault once")
	broken  = flag.Bool("campaign.broken", false, "build drm with one rule broken at a time, and require that a check notices")
	rewrite = flag.Bool("campaign.write", false, "write the part of docs/faults.md that is about the campaign")
	seed    = flag.Uint64("campaign.seed", 0, "decides the schedule; 0: always the same for the short form, so that it fails only by a change, and a random one otherwise")
)

// shortSeed deals every fault in six hands, the fewest there can be.
const shortSeed = 2

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	if code, ran := ownNetwork(); ran {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func TestCampaign(t *testing.T) {
	s := settings{seed: *seed, lasts: *lasts}
	switch {
	case s.seed != 0:
	case s.lasts == 0:
		s.seed = shortSeed
	default:
		s.seed = rand.Uint64N(1_000_000) + 1
	}
	clock, err := steppableClock()
	if err != nil {
		t.Fatal(err)
	}
	campaignWith(t, s, clock).verdict()
}

// campaignWith builds drm with files replaced, and runs a campaign on it.
func campaignWith(t *testing.T, s settings, replaced []replacement) *campaign {
	t.Helper()
	var err error
	//nolint:usetesting // the logs of a campaign that failed are to stay
	if s.dir, err = os.MkdirTemp("", fmt.Sprintf("drm-campaign-%d-", s.seed)); err != nil {
		t.Fatal(err)
	}
	flag, err := overlay(s.dir, replaced)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if s.program, err = fleet.Build(s.dir, append(buildFlags, flag)...); err != nil {
		t.Fatal(err)
	}
	t.Logf("drm built in %v", time.Since(began).Round(time.Second))
	c := start(t, s)
	c.play()
	return c
}

// Each check has been seen to fail: on a build in which one rule is broken it must notice, when the faults named are made.
func TestBrokenBuildsAreNoticed(t *testing.T) {
	clock, err := steppableClock()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range brokenBuilds() {
		t.Run(strings.ReplaceAll(b.check+" "+b.broken, " ", "_"), func(t *testing.T) {
			replaced, err := b.replacements()
			if err != nil {
				t.Fatal(err)
			}
			if !*broken {
				t.Skip("its text is there; run with -campaign.broken to see it noticed")
			}
			c := campaignWith(t, settings{seed: 1, only: b.faults}, append(replaced, clock...))
			for _, v := range c.broken() {
				if v.check == b.check {
					t.Logf("noticed: %v", v.err)
					c.discard()
					return
				}
			}
			t.Errorf("%s: not noticed when %s; noticed instead: %v\n%s", b.check, b.broken, c.broken(), c.repeat())
		})
	}
}

// The part of docs/faults.md about the campaign says what is in the tables here. What stands before it is test/mutants'.
func TestFaultsAreDocumented(t *testing.T) {
	root, err := fleet.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "docs", "faults.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), pageBegin)
	want := before + page()
	if *rewrite {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s is not what the tables say; run: go test ./test/campaign -run Documented -campaign.write", path)
	}
}
