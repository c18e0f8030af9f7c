package resources

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SpecError says what is wrong with a spec, and where.
type SpecError struct {
	Line, Column int    // from 1; the column counts characters
	Field        string // such as ping.interval or subscribe[2]; empty for the spec as a whole
	Problem      string // what is wrong and what to write instead

	at int // in bytes, from the start of what Decode was given
}

// Error names the place, if it is known, the field and the problem.
func (e *SpecError) Error() string {
	field := e.Field
	if field == "" {
		field = "the spec"
	}
	if e.Line == 0 {
		return fmt.Sprintf("read spec: %s %s", field, e.Problem)
	}
	return fmt.Sprintf("read spec: line %d, column %d: %s %s", e.Line, e.Column, field, e.Problem)
}

// Wrong returns a *SpecError for a check that Decode can't make, such as of two fields that don't fit
// together. Returned from an UnmarshalJSON it is given the place where that value starts.
func Wrong(field, problem string) error { return fail(0, field, problem) }

// Within moves an error of Wrong to a field of the field named.
func Within(field string, err error) error {
	var wrong *SpecError
	if errors.As(err, &wrong) {
		return fail(0, join(field, wrong.Field), wrong.Problem)
	}
	return err
}

// Decode reads a spec strictly into a struct that into points to: unknown and repeated fields, null, other
// types than asked for, text that is not UTF-8 and anything after the object are errors of type *SpecError.
// Fields that the spec leaves out keep their value, so defaults are set before; behind a pointer there are none but those
// that an UnmarshalJSON sets. "$schema" is allowed at the top.
//
// Struct tags bound what is taken: min and max for numbers, Duration and Size, in the notation of the
// field; oneof for strings, separated by spaces. A type with UnmarshalJSON may call Decode itself: the place
// in its error is moved to where it stands in the whole spec.
func Decode(spec []byte, into any) error {
	err := decode(spec, into)
	var wrong *SpecError
	if errors.As(err, &wrong) {
		before := spec[:min(wrong.at, len(spec))]
		wrong.Line = 1 + bytes.Count(before, []byte("\n"))
		wrong.Column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	}
	return err
}

func decode(spec []byte, into any) error {
	whole := bytes.TrimLeft(spec, " \t\r\n")
	at := len(spec) - len(whole)
	if len(whole) == 0 {
		return fail(0, "", `is empty; put a JSON object, such as {"url": …}`)
	}
	if !utf8.Valid(spec) {
		return fail(invalidAt(spec), "", "is not valid UTF-8")
	}
	var syntax *json.SyntaxError
	var raw json.RawMessage
	if err := json.Unmarshal(spec, &raw); errors.As(err, &syntax) {
		return fail(max(0, int(syntax.Offset)-1), "", "is not JSON: "+syntax.Error())
	}
	return value(bytes.TrimRight(whole, " \t\r\n"), at, reflect.ValueOf(into).Elem(), "")
}

// invalidAt is the offset of the first byte that is not part of a valid UTF-8 sequence.
func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(b)
}

func fail(at int, path, problem string) error {
	return &SpecError{at: at, Field: path, Problem: problem}
}

// value reads one JSON value that starts at byte `at` of the spec and is known to be well-formed.
func value(raw []byte, at int, v reflect.Value, path string) error {
	if string(raw) == "null" {
		return fail(at, path, "is null; leave it out, or give it "+expected(v.Type()))
	}
	switch own := v.Addr().Interface().(type) {
	case json.Unmarshaler:
		return rebase(own.UnmarshalJSON(raw), at, path)
	case encoding.TextUnmarshaler:
		return text(raw, at, own, v.Type(), path)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return value(raw, at, v.Elem(), path)
	case reflect.Struct:
		return object(raw, at, v, path)
	case reflect.Map:
		return entries(raw, at, v, path)
	case reflect.Slice:
		return list(raw, at, v, path)
	default:
		if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
			return mismatch(raw, at, v.Type(), path)
		}
		return nil
	}
}

// rebase moves the place of an error inside a value to where the value stands in the whole spec.
func rebase(err error, at int, path string) error {
	var inner *SpecError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &inner):
		field := path
		if inner.Field != "" {
			field = join(path, inner.Field)
		}
		return fail(at+inner.at, field, inner.Problem)
	}
	return fail(at, path, "is wrong: "+err.Error())
}

func text(raw []byte, at int, own encoding.TextUnmarshaler, t reflect.Type, path string) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return mismatch(raw, at, t, path)
	}
	return rebase(own.UnmarshalText([]byte(s)), at, path)
}

func mismatch(raw []byte, at int, t reflect.Type, path string) error {
	return fail(at, path, fmt.Sprintf("is %s; give it %s", found(raw), expected(t)))
}

func object(raw []byte, at int, v reflect.Value, path string) error {
	if raw[0] != '{' {
		return mismatch(raw, at, v.Type(), path)
	}
	known := fields(v.Type())
	return members(raw, at, path, func(key string, keyAt int, raw []byte, valueAt int) error {
		if key == "$schema" && path == "" {
			return nil
		}
		i := slices.IndexFunc(known, func(f field) bool { return f.name == key })
		if i < 0 {
			return fail(keyAt, join(path, key), unknown(key, known))
		}
		f, at := v.FieldByIndex(known[i].index), join(path, key)
		if err := value(raw, valueAt, f, at); err != nil {
			return err
		}
		return bounded(f, known[i].tag, valueAt, at)
	})
}

func entries(raw []byte, at int, v reflect.Value, path string) error {
	if raw[0] != '{' {
		return mismatch(raw, at, v.Type(), path)
	}
	v.Set(reflect.MakeMap(v.Type()))
	return members(raw, at, path, func(key string, _ int, raw []byte, at int) error {
		entry := reflect.New(v.Type().Elem()).Elem()
		if err := value(raw, at, entry, join(path, key)); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key), entry)
		return nil
	})
}

func list(raw []byte, at int, v reflect.Value, path string) error {
	if raw[0] != '[' {
		return mismatch(raw, at, v.Type(), path)
	}
	v.SetLen(0)
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return fail(at, path, err.Error())
	}
	for i := 0; dec.More(); i++ {
		var item json.RawMessage
		if err := dec.Decode(&item); err != nil {
			return fail(at, path, err.Error())
		}
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		start := at + int(dec.InputOffset()) - len(item)
		if err := value(item, start, v.Index(i), path+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	return nil
}

// members calls each for every member of an object, and refuses a name that comes twice.
func members(raw []byte, at int, path string, each func(key string, keyAt int, value []byte, valueAt int) error) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return fail(at, path, err.Error())
	}
	seen := map[string]bool{}
	for dec.More() {
		gap := raw[dec.InputOffset():]
		keyAt := at + int(dec.InputOffset()) + bytes.IndexByte(gap, '"')
		name, err := dec.Token()
		if err != nil {
			return fail(at, path, err.Error())
		}
		key := fmt.Sprint(name)
		if seen[key] {
			return fail(keyAt, join(path, key), "is given twice; keep one")
		}
		seen[key] = true
		var member json.RawMessage
		if err := dec.Decode(&member); err != nil {
			return fail(at, path, err.Error())
		}
		if err := each(key, keyAt, member, at+int(dec.InputOffset())-len(member)); err != nil {
			return err
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" || strings.HasPrefix(name, "[") {
		return path + name
	}
	return path + "." + name
}
