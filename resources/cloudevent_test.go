package resources

import (
	"testing"
	"time"
)

// Text is encoded as encoding/json does, whatever it holds. Seen to fail with the backslash left out, and with what is not ASCII taken for plain.
func TestEncodeText(t *testing.T) {
	texts := []string{"", "plain text, of 'all' <sorts> & more~", `say "hi"`, `C:\temp`, "\u2028", "ü", "\x7f", "a\xffb"}
	for c := range 256 {
		texts = append(texts, "x"+string([]byte{byte(c)})+"y")
	}
	for _, text := range texts {
		want, err := EncodeJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := appendText(nil, text); err != nil || string(got) != string(want) {
			t.Errorf("%q is encoded as %s (%v), want %s", text, got, err, want)
		}
	}
}

// BenchmarkCloudEvent encodes what a kind receives, as a sink does with each message.
func BenchmarkCloudEvent(b *testing.B) {
	data := []byte(`{"id":"o-1","total":125.5,"items":["one","two","three"],"customer":{"name":"somebody"}}`)
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		e := CloudEvent{Data: data}
		e.Set("id", "77-12345")
		e.Set("source", "drm/redis/orders")
		e.Set("type", "drm.redis.message")
		e.Set("subject", "orders")
		e.Set("time", time.Unix(1, 0).UTC().Format(time.RFC3339Nano))
		e.Set("drmepoch", "77")
		e.Set("drmseq", "12345")
		e.Set("drmnode", "node-1")
		var err error
		if line, err = e.AppendJSON(line[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
