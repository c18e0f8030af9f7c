package sink

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drm-cluster/drm/resources"
)

// envelope wraps a message as a CloudEvent. Its extensions say which claim it was received under (drmepoch), its number within
// it (drmseq) and by whom (drmnode). Both numbers are strings: a CloudEvents integer has 32 bits, and many JSON readers
// keep no more than 53.
func envelope(e *resources.CloudEvent, m Message) {
	contentType := ""
	if m.Binary {
		contentType = contentBytes
	}
	e.Reset(contentType, m.Data)
	e.Set("id", m.ID)
	e.Set("source", m.Source)
	e.Set("type", m.Type)
	e.Set("subject", m.Subject)
	e.Set("time", m.Time.UTC().Format(time.RFC3339Nano))
	for _, x := range extensions(m) {
		e.Set(x.name, x.value)
	}
}

// appendEvents appends messages as CloudEvents, each in one line of JSON and followed by a byte.
func appendEvents(b []byte, batch []Message, then byte) ([]byte, error) {
	size := 0
	for _, m := range batch {
		size += len(m.Data) + 400 // as much as attributes take, most often
	}
	b = slices.Grow(b, size)
	var e resources.CloudEvent
	var err error
	for _, m := range batch {
		envelope(&e, m)
		if b, err = e.AppendJSON(b); err != nil {
			return nil, err
		}
		b = append(b, then)
	}
	return b, nil
}

type extension struct{ name, value string }

func extensions(m Message) []extension {
	return []extension{
		{"drmepoch", strconv.FormatInt(m.Epoch, 10)}, {"drmseq", strconv.FormatUint(m.Seq, 10)}, {"drmnode", m.Node},
	}
}

// What a message is made of.
const (
	contentOne   = "application/cloudevents+json; charset=utf-8"
	contentBatch = "application/cloudevents-batch+json; charset=utf-8"
	contentBytes = "application/octet-stream"
	contentText  = "text/plain; charset=utf-8"
	contentJSON  = "application/json"
)

// encode writes a message in the format of the spec, and says what that is.
func (c *common) encode(m Message) (content string, body []byte, err error) {
	if c.Format == formatCloudEvents {
		var e resources.CloudEvent
		envelope(&e, m)
		body, err = e.AppendJSON(nil)
		return contentOne, body, err
	}
	return contentOf(m), m.Data, nil
}

// contentOf says what the data of a message is.
func contentOf(m Message) string {
	switch {
	case m.Binary || !utf8.Valid(m.Data):
		return contentBytes
	case json.Valid(m.Data):
		return contentJSON
	}
	return contentText
}

// lines writes messages as one line each. JSON is brought onto one; other raw data that has line breaks keeps them.
func (c *common) lines(batch []Message) ([]byte, error) {
	if c.Format == formatRaw {
		return rawLines(batch), nil
	}
	lines, err := appendEvents(nil, batch, '\n')
	if err != nil {
		return nil, &refusal{batch, err}
	}
	return lines, nil
}

func rawLines(batch []Message) []byte {
	var b bytes.Buffer
	for _, m := range batch {
		if json.Compact(&b, m.Data) != nil {
			b.Write(m.Data)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// fill puts the kind and the id of the resource into a name such as feed.{kind}.{id}.
func fill(name string, m Message) string {
	if !strings.Contains(name, "{") {
		return name
	}
	kind, id, _ := strings.Cut(strings.TrimPrefix(m.Source, "drm/"), "/")
	return strings.NewReplacer("{kind}", kind, "{id}", id).Replace(name)
}

// checkFill says what is wrong with a name that fill is to complete.
func checkFill(field, name string) error {
	rest := strings.NewReplacer("{kind}", "", "{id}", "").Replace(name)
	if strings.ContainsAny(rest, "{}") {
		return resources.Wrong(field, "has braces; only {kind} and {id} may be left open")
	}
	return nil
}
