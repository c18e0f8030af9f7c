package trim

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// kept fails the test if something else is kept of resources than what it wants.
func (r *rig) kept(want ...string) {
	r.t.Helper()
	var got []string
	for _, below := range []string{"asks/", "state/", "status/"} {
		for _, name := range r.there(below) {
			got = append(got, below+name)
		}
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("kept %q; want %q", got, want)
	}
}

// graceful is a spec with a grace of ten minutes, and an age for the log that none comes to.
const graceful = `{"grace":"10m"}`

// Seen to fail with tidy taking no notice of grace, and with leftovers looking at state alone.
func TestWhatIsKeptOfARemovedResourceGoesAfterItsGrace(t *testing.T) {
	r := newRig(t)
	r.put("resources/webhook/here", "{}", "state/webhook/here/cursor", "{}", "status/webhook/here", "{}", "asks/webhook/here/1", "{}")
	r.put("state/webhook/gone/cursor", "{}", "status/webhook/gone", "{}", "asks/webhook/gone/1", "{}", "state/webhook/gone2/cursor", "{}")
	r.put("status/webhook/held", "{}", "claims/webhook/held", "{}")
	h := r.hold(graceful)
	h.tidied = r.now.Add(-time.Hour)
	before := []string{
		"asks/webhook/gone/1", "asks/webhook/here/1",
		"state/webhook/gone/cursor", "state/webhook/gone2/cursor", "state/webhook/here/cursor",
		"status/webhook/gone", "status/webhook/held", "status/webhook/here",
	}
	r.after(0, h)
	r.after(9*time.Minute, h)
	r.kept(before...)
	r.put("resources/webhook/gone2", "{}")
	r.after(5*time.Minute, h)
	r.kept("asks/webhook/here/1", "state/webhook/gone2/cursor", "state/webhook/here/cursor", "status/webhook/held", "status/webhook/here")
}

// What was written after a resource was removed was written by somebody who held it again. Seen to fail with tidy not comparing revisions.
func TestGraceBeginsWithTheLastWrite(t *testing.T) {
	r := newRig(t)
	r.put("state/webhook/w/cursor", "1")
	h := r.hold(graceful)
	h.tidied = r.now.Add(-time.Hour)
	r.after(0, h)
	r.put("state/webhook/w/cursor", "2")
	r.after(9*time.Minute, h)
	r.after(6*time.Minute, h)
	r.kept("state/webhook/w/cursor")
	r.after(5*time.Minute, h)
	r.kept()
}

// A resource that is put again just before what is kept of it would go keeps all of it. Seen to fail with remove not guarded by the
// resource, and by its claim.
func TestAResourceThatIsPutAgainKeepsWhatItHad(t *testing.T) {
	for _, again := range []string{"resources/webhook/w", "claims/webhook/w"} {
		t.Run(again, func(t *testing.T) {
			r := newRig(t)
			r.put("state/webhook/w/cursor", "1", "status/webhook/w", "1")
			h := r.hold(graceful)
			found, err := h.leftovers(r.ctx)
			if err != nil || len(found) != 1 {
				t.Fatalf("found %v, %v", found, err)
			}
			r.put(again, "{}")
			for k, l := range found {
				if err := h.remove(r.ctx, k, l); err != nil {
					t.Fatal(err)
				}
			}
			r.kept("state/webhook/w/cursor", "status/webhook/w")
		})
	}
}

// Seen to fail with remove ending with its first request.
func TestManyKeysOfARemovedResourceGo(t *testing.T) {
	r := newRig(t)
	var pairs []string
	for i := range 500 {
		pairs = append(pairs, fmt.Sprintf("state/webhook/w/dead/%d", i), "{}")
	}
	r.put(pairs...)
	h := r.hold(`{"grace":"0s"}`)
	r.after(0, h)
	r.kept()
}
