package resources

import (
	"strings"
	"testing"
	"time"
)

// terms are what the expressions of these tests may name.
type terms struct {
	Type string    `expr:"type"`
	Time time.Time `expr:"time"`
	Data any       `expr:"data"`
}

func compile[R any](t *testing.T, text string) Expression[terms, R] {
	t.Helper()
	var x Expression[terms, R]
	if err := x.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return x
}

// What is wrong with an expression is known when the spec is read, with its place.
func TestExpressionsAreCheckedAtOnce(t *testing.T) {
	for text, want := range map[string]string{
		"type ==":                     "line 1, column 7 of the expression",
		"type == 'a' and\ntyp == 'b'": "unknown name typ (line 2, column 1 of the expression)",
		"type + 1":                    "mismatched types string and int",
		"len(type)":                   "expected bool, but got int",
		"type > 1":                    "invalid operation",
		"exec('ls')":                  "unknown name exec",
		strings.Repeat("!", 5000):     "an expression may have 4096",
	} {
		var spec struct {
			Filter Expression[terms, bool] `json:"filter"`
		}
		err := Decode([]byte(`{"filter": "`+strings.ReplaceAll(text, "\n", `\n`)+`"}`), &spec)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "read spec: line 1, column 12: filter is wrong: ") {
			t.Errorf("%s\n  error %v\n  want  %s", text, err, want)
		}
	}
}

// An expression gives a value of the type asked for, and an error where the values don't fit.
func TestExpressionsEvaluate(t *testing.T) {
	values := terms{Type: "order.paid", Data: map[string]any{"amount": 5, "lines": []any{1, 2}}}
	if ok, err := compile[bool](t, `type startsWith "order." && data.amount > 4`).Eval(values); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	if v, err := compile[any](t, `{"n": sum(map(data.lines, # * 2))}`).Eval(values); err != nil || v.(map[string]any)["n"] != 6 {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := compile[any](t, `data.missing`).Eval(values); err != nil || v != nil {
		t.Errorf("%v, %v", v, err)
	}
	for text, want := range map[string]string{
		"data.missing > 100": "line 1, column 14 of the expression",
		"data.amount":        "it must be",
		"data.a.b.c":         "cannot fetch b from <nil>",
	} {
		if v, err := compile[bool](t, text).Eval(values); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v, want %s", text, v, err, want)
		}
	}
}

// No expression takes more than a moment, whatever it is evaluated on. Seen to fail (the third runs for hours)
// without loops, and with the optimizer on.
func TestExpressionsEnd(t *testing.T) {
	begin := time.Now()
	for _, text := range []string{
		`len(1..1000000000) > 0`,
		`len(repeat("x", 1000000000)) > 0`,
		`let r = 1..90000; all(r, {let a = #; all(r, {let b = #; all(r, a + b + # > 0)})})`,
		`let r = 1..90000; all(r, all(r, all(r, true)))`,
		`let r = 1..90000; none(r, any(r, any(r, false)))`,
	} {
		_, err := compile[bool](t, text).Eval(terms{})
		if err == nil || !strings.Contains(err.Error(), "memory budget exceeded") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}
