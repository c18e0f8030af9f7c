package httppoll

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
	"github.com/drm-cluster/drm/state"
)

// record is what a poll leaves for the next one, wherever that is made.
type record struct {
	At time.Time `json:"at"` // when a poll began that went well; of short intervals, some such poll
	// Asked tells what was asked: validators and Print are about that.
	Asked string `json:"asked"`
	pull.Validators
	Print   string `json:"print,omitempty"`   // of the body
	Changes int64  `json:"changes,omitempty"` // how often it was another one
	Cursor  string `json:"cursor,omitempty"`
	Origin  string `json:"origin,omitempty"` // of the cursor: by which fields of the spec it came about
}

const recordName = "poll"

// lazily is how long what can do without a write waits for one.
const lazily = 10 * time.Minute

// takeUp reads what the holder before has left.
func (h *hold) takeUp(records []state.Record) error {
	h.window = newWindow(h.spec.Dedupe)
	for _, r := range records {
		switch {
		case r.Name == recordName:
			if err := json.Unmarshal(r.Value, &h.record); err != nil {
				return fmt.Errorf("read what was kept: %w; delete the key state/%s/%s, and what was delivered before may come again", err, h.claim.Key, recordName)
			}
		case strings.HasPrefix(r.Name, seenDir):
			if err := h.window.load(r); err != nil {
				return err
			}
		}
	}
	if origin := h.spec.origin(); h.record.Origin != origin {
		h.record.Cursor, h.record.Origin = h.spec.Cursor.Initial, origin
	}
	return nil
}

// origin tells cursors apart that have nothing to do with each other.
func (s *spec) origin() string {
	if s.Cursor.Param == "" {
		return ""
	}
	return digest(s.Cursor.Param, s.Cursor.Extract.String(), s.Cursor.Initial)
}

// asked tells requests apart whose answers have nothing to do with each other, or are taken differently.
func (s *spec) asked(url string) string {
	return digest(url, s.Method, s.Body, s.Emit, s.Items.String(), s.ID.String(), s.Filter.String(), s.Transform.String(), fmt.Sprint(s.HashIgnore))
}

func digest(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// keep makes a record of a poll that went well, in one write with what was seen in it. What is not worth a write waits for the next, or for
// ten minutes.
func (h *hold) keep(r record, seen []state.Change, now time.Time) error {
	old := h.record
	urgent := len(seen) > 0 || h.written.IsZero() && old.At.IsZero() ||
		old.Print != r.Print || old.Changes != r.Changes || old.Cursor != r.Cursor || old.Origin != r.Origin
	worth := old.Validators != r.Validators || old.Asked != r.Asked || time.Duration(h.spec.Interval) >= pull.Long
	h.record = r
	if !urgent && (!worth || now.Sub(h.written) < lazily) {
		return nil
	}
	value, err := resources.EncodeJSON(r)
	if err != nil {
		return err
	}
	h.written = now
	return h.kept.Write(h.claim.Held, append(seen, state.Change{Name: recordName, Value: value})...)
}
