package webhook

import (
	"math"
	"strings"
	"testing"
)

func specWith(t *testing.T, fields string) *spec {
	t.Helper()
	s, err := readSpec([]byte(`{"url": "https://x.example/in", ` + topics + fields + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Which events are wanted. One that the filter can't be evaluated on is neither wanted nor left out: it is an error.
func TestWants(t *testing.T) {
	for fields, want := range map[string]string{
		``:                                      "yes",
		`, "event_types": ["order.*"]`:          "yes",
		`, "event_types": ["*.paid"]`:           "yes",
		`, "event_types": ["a", "order.paid"]`:  "yes",
		`, "event_types": ["order"]`:            "no",
		`, "event_types": ["order.*.x"]`:        "no",
		`, "filter": "data.amount > 10"`:        "yes",
		`, "filter": "data.amount > 12"`:        "no",
		`, "filter": "data?.customer == 'ada'"`: "yes",
		`, "filter": "type == 'order.paid' && topic == 'orders' && id == 'evt_1' && time.Year() == 2026"`: "yes",
		`, "filter": "data.missing > 10"`:                               "evaluate filter: invalid operation: <nil> > int",
		`, "filter": "data.customer"`:                                   "evaluate filter: invalid operation: bool(string)",
		`, "event_types": ["invoice.*"], "filter": "data.missing > 10"`: "no",
	} {
		e := order()
		ok, err := specWith(t, fields).wants(&e)
		got := map[bool]string{true: "yes", false: "no"}[ok]
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", fields, got, want)
		}
	}
}

// Events are told apart by what the expression gives, of whatever type.
func TestOrderOf(t *testing.T) {
	for expression, want := range map[string]string{
		"data.customer": "ada", "data.amount": "12", "data.missing": "<nil>", "data.a.b": "evaluate ordering_key: cannot fetch b",
	} {
		e := order()
		got, err := specWith(t, `, "ordering": "key", "ordering_key": "`+expression+`"`).orderOf(&e)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
}

// Data is what JSON says, whole numbers to their last digit; what is no JSON is text.
func TestTermsOfData(t *testing.T) {
	for data, want := range map[string]any{
		`{"n": 9007199254740993}`:     9007199254740993,
		`{"n": 1.5}`:                  1.5,
		`{"n": 1e400}`:                "1e400",
		`{"n": -0}`:                   0,
		`{"n": 1e2}`:                  100.0,
		`{"n": 18446744073709551615}`: float64(math.MaxUint64),
		`{"n": [1]}`:                  nil,
	} {
		e := order()
		e.Data = []byte(data)
		got := termsOf(&e).Data.(map[string]any)["n"]
		if list, ok := got.([]any); ok && list[0] == 1 {
			continue
		}
		if got != want {
			t.Errorf("%s is %v (%T), want %v", data, got, got, want)
		}
	}
	for _, data := range []string{"", "{", `{} {}`, "plain", `{"a":1}x`} {
		e := order()
		e.Data = []byte(data)
		if got := termsOf(&e).Data; got != data {
			t.Errorf("%q is %v (%T)", data, got, got)
		}
	}
}
