package events

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// What is stored is JSON in the format of CloudEvents, and JSON data is in it as it was published. Seen to fail with payload marshalling it.
func TestWhatIsStoredIsACloudEvent(t *testing.T) {
	data := `{"z":1, "a":"<é>"}`
	at := time.Date(2026, 11, 24, 2, 0, 0, 5000, time.FixedZone("", 3600))
	b, err := encode(Event{
		Type: "order.paid", Source: "/shop", Subject: "o\"1", Schema: "s", Time: at,
		Extensions: map[string]string{"partitionkey": "7"}, Data: []byte(data),
	})
	want := `{"specversion":"1.0","type":"order.paid","source":"/shop","subject":"o\"1","dataschema":"s","partitionkey":"7","data":` + data +
		`,"time":"2026-11-24T01:00:00.000005Z"}`
	if err != nil || string(b) != want {
		t.Errorf("encoded as\n%s, %v; want\n%s", b, err, want)
	}
	for contentType, c := range map[string]struct{ data, member, value string }{
		"":                             {"not JSON", "data_base64", `"bm90IEpTT04="`},
		"text/plain":                   {"a \"text\"", "data", `"a \"text\""`},
		"application/octet-stream":     {"\xff", "data_base64", `"/w=="`},
		"Application/x+JSON; charset=": {"[1]", "data", "[1]"},
	} {
		b, err := encode(Event{ContentType: contentType, Data: []byte(c.data)})
		var fields map[string]json.RawMessage
		if err != nil || json.Unmarshal(b, &fields) != nil || string(fields[c.member]) != c.value {
			t.Errorf("%q of type %q is encoded as %s, %v", c.data, contentType, b, err)
		}
	}
}

// Whatever is published is read as it was. Seen to fail with text encoded as the JSON that it isn't.
func TestWhatIsStoredIsReadAsItWasPublished(t *testing.T) {
	at := time.Date(2026, 11, 24, 2, 0, 0, 5000, time.UTC)
	for i, e := range []Event{
		{Topic: "t", Type: "x", Source: "s", Subject: "é", Schema: "d", Time: at, ContentType: "application/json", Data: []byte(`{"z":1, "a":"<é>"}`)},
		{Topic: "t", Type: "x", Source: "s", Time: at, ContentType: "text/plain", Data: []byte(`a "text"`), Extensions: map[string]string{"rank": "3"}},
		{Topic: "t", Type: "x", Source: "s", Time: at, ContentType: "text/plain", Data: []byte("\xff")},
		{Topic: "t", Type: "x", Source: "s", Time: at, ContentType: "application/json", Data: []byte("no JSON")},
	} {
		b, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		read := Event{Topic: e.Topic}
		read.decode(b)
		if fmt.Sprint(read) != fmt.Sprint(e) {
			t.Errorf("event %d is read as %+v; want %+v", i, read, e)
		}
	}
}
