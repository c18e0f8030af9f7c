package resources

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

const maxSecret = 64 << 10

// Secret is a value of a spec that may be secret: a string, or a reference {"from_env": "NAME"} or
// {"from_file": "/path"} to where the node finds it. References are followed anew at each use, so that a
// rotated file counts from the next use on. No form of printing shows the value.
type Secret struct {
	literal, env, file string
}

// Literal returns a secret that is written out.
func Literal(s string) Secret { return Secret{literal: s} }

// Written returns the value if it is in the spec itself, and whether it is: such a one can be checked when the spec is read.
func (s Secret) Written() (string, bool) { return s.literal, s.env == "" && s.file == "" }

// UnmarshalJSON reads one of the three forms.
func (s *Secret) UnmarshalJSON(b []byte) error {
	*s = Secret{}
	if err := json.Unmarshal(b, &s.literal); err == nil {
		return nil
	}
	if b[0] != '{' {
		return fail(0, "", `is neither a string nor {"from_env": …} or {"from_file": …}`)
	}
	var from struct {
		Env  string `json:"from_env"`
		File string `json:"from_file"`
	}
	if err := Decode(b, &from); err != nil {
		return err
	}
	switch {
	case (from.Env == "") == (from.File == ""):
		return fail(0, "", "must have either from_env or from_file")
	case reserved(from.Env):
		return fail(0, "from_env", "names a variable of drm itself; use one that does not begin with DRM_ or ETCDCTL_")
	}
	s.env, s.file = from.Env, from.File
	return nil
}

// reserved tells whether a variable configures drm: who may write specs must not learn, through a header
// sent to a server of their own, what opens the store.
func reserved(env string) bool {
	return strings.HasPrefix(env, "DRM_") || strings.HasPrefix(env, "ETCDCTL_")
}

// Read returns the value. It may read a file; a line end at its end is left out. Errors name the variable or
// the file, never a value.
func (s Secret) Read() (string, error) {
	switch {
	case s.env != "":
		v, ok := os.LookupEnv(s.env)
		if !ok {
			return "", fmt.Errorf("read secret: variable %s is not set on this node", s.env)
		}
		return v, nil
	case s.file != "":
		return readSecretFile(s.file)
	}
	return s.literal, nil
}

func readSecretFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if len(b) > maxSecret {
		return "", fmt.Errorf("read secret: %s has more than %d bytes; is it the right file?", path, maxSecret)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// String hides a literal and shows where a reference points.
func (s Secret) String() string {
	switch {
	case s.env != "":
		return "[from variable " + s.env + "]"
	case s.file != "":
		return "[from file " + s.file + "]"
	case s.literal == "":
		return ""
	}
	return "[hidden]"
}

// GoString does as String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue does as String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON does as String.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
