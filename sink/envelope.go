package sink

import (
	"strconv"
	"time"

	"github.com/drm-cluster/drm/resources"
)

// envelope wraps a message as a CloudEvent. Its extensions say which claim it was received under (drmepoch), its number within
// it (drmseq) and by whom (drmnode). Both numbers are strings: a CloudEvents integer has 32 bits, and many JSON readers
// keep no more than 53.
func envelope(m Message) resources.CloudEvent {
	e := resources.CloudEvent{Data: m.Data}
	if m.Binary {
		e.ContentType = "application/octet-stream"
	}
	e.Set("id", m.ID)
	e.Set("source", m.Source)
	e.Set("type", m.Type)
	e.Set("subject", m.Subject)
	e.Set("time", m.Time.UTC().Format(time.RFC3339Nano))
	e.Set("drmepoch", strconv.FormatInt(m.Epoch, 10))
	e.Set("drmseq", strconv.FormatUint(m.Seq, 10))
	e.Set("drmnode", m.Node)
	return e
}
