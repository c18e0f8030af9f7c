package resources

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No way of printing shows a secret. Seen to fail without GoString: %#v then prints the fields.
func TestSecretsAreNotPrinted(t *testing.T) {
	s := Literal("hush")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "key", s, "headers", Headers{"A": s})
	encoded, err := json.Marshal(map[string]any{"a": s, "b": &s, "c": Headers{"A": s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{log.String(), string(encoded), fmt.Sprint(s), fmt.Sprintf("%+v %#v %q %x", s, s, s, s), fmt.Sprintf("%+v %#v", Headers{"A": s}, &struct{ S Secret }{s})} {
		if strings.Contains(text, "hush") || strings.Contains(text, "68757368") {
			t.Errorf("printed as %s", text)
		}
	}
}

// References are followed at each use, so a rotated secret counts at once.
func TestSecretsAreReadAtEachUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	var file, env Secret
	if err := json.Unmarshal(fmt.Appendf(nil, `{"from_file": %q}`, path), &file); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"from_env": "SECRET_OF_TEST"}`), &env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("SECRET_OF_TEST", want)
		for _, s := range []Secret{file, env} {
			if got, err := s.Read(); err != nil || got != want {
				t.Errorf("%s: read %q, %v; want %q", s, got, err, want)
			}
		}
	}
	if err := os.WriteFile(path, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Read(); err == nil || !strings.Contains(err.Error(), "is it the right file?") {
		t.Errorf("error %v", err)
	}
}

// A header value with a line break would be a second header. It is refused, and not shown.
func TestHeaderInjection(t *testing.T) {
	_, err := Headers{"A": Literal("x\r\nB: hush")}.Read()
	if err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "header A") {
		t.Errorf("error %v", err)
	}
}

// A URL is shown without what may be secret in it.
func TestRedactURL(t *testing.T) {
	for url, want := range map[string]string{
		"wss://u:p@x.example:1/a?token=t#f": "wss://x.example:1/a",
		"ws://x.example":                    "ws://x.example",
		"ws://%zz?token=t":                  "[malformed URL]",
	} {
		if got := RedactURL(url); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
	}
}
