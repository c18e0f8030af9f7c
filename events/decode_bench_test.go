package events

import (
	"strings"
	"testing"
	"time"
)

// BenchmarkDecode is what it costs to make an event of 1 KiB of the value of its key.
func BenchmarkDecode(b *testing.B) {
	value, err := encode(Event{
		Topic: "orders", Type: "order.paid", Source: "shop", Time: time.Unix(1e9, 0), Data: []byte(`"` + strings.Repeat("x", 1<<10) + `"`),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		e := Event{Topic: "orders"}
		e.decode(value)
	}
}
