package sink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// event is a message as a CloudEvents 1.0 envelope in JSON. The extensions say which claim it was received
// under (drmepoch), its number within it (drmseq) and by whom (drmnode). Both numbers are strings: a CloudEvents integer
// has 32 bits, and many JSON readers keep no more than 53.
type event struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject,omitempty"`
	Time            string          `json:"time"`
	Epoch           string          `json:"drmepoch"`
	Seq             string          `json:"drmseq"`
	Node            string          `json:"drmnode"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data,omitempty"`
	DataBase64      []byte          `json:"data_base64,omitempty"`
}

// envelope wraps a message: JSON as it is, other text as a JSON string, and what is no text as base64.
func envelope(m Message) event {
	e := event{
		SpecVersion: "1.0",
		ID:          m.ID,
		Source:      m.Source,
		Type:        m.Type,
		Subject:     m.Subject,
		Time:        m.Time.UTC().Format(time.RFC3339Nano),
		Epoch:       strconv.FormatInt(m.Epoch, 10),
		Seq:         strconv.FormatUint(m.Seq, 10),
		Node:        m.Node,
	}
	switch {
	case m.Binary || !utf8.Valid(m.Data):
		e.DataContentType, e.DataBase64 = "application/octet-stream", m.Data
	case json.Valid(m.Data):
		e.DataContentType, e.Data = "application/json", m.Data
	default:
		var text bytes.Buffer
		if err := encode(&text, string(m.Data)); err == nil {
			e.DataContentType, e.Data = "text/plain", text.Bytes()
		}
	}
	return e
}

// encode writes a value as one line of JSON, its text as it came (no escapes for HTML).
func encode(to *bytes.Buffer, v any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	return nil
}
