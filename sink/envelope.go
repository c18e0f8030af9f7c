package sink

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drm-cluster/drm/resources"
)

// envelope wraps a message as a CloudEvent. Its extensions say which claim it was received under (drmepoch), its number within
// it (drmseq) and by whom (drmnode). Both numbers are strings: a CloudEvents integer has 32 bits, and many JSON readers
// keep no more than 53.
func envelope(m Message) resources.CloudEvent {
	e := resources.CloudEvent{Data: m.Data}
	if m.Binary {
		e.ContentType = contentBytes
	}
	e.Set("id", m.ID)
	e.Set("source", m.Source)
	e.Set("type", m.Type)
	e.Set("subject", m.Subject)
	e.Set("time", m.Time.UTC().Format(time.RFC3339Nano))
	for _, x := range extensions(m) {
		e.Set(x.name, x.value)
	}
	return e
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
		body, err = resources.EncodeJSON(envelope(m))
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
	var b bytes.Buffer
	for _, m := range batch {
		_, text, err := c.encode(m)
		if err != nil {
			return nil, &refusal{batch, err}
		}
		if c.Format != formatRaw || json.Compact(&b, text) != nil {
			b.Write(text)
		}
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
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
