package resources

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/nearest"
)

// field is one field of a struct as a spec names it.
type field struct {
	name  string
	index []int
	tag   reflect.StructTag
}

// fieldsOf remembers what fields found out for a type: a node reads the same few types for each of its resources.
var fieldsOf sync.Map // reflect.Type → []field

// fields lists what a spec may name in a struct; embedded structs count as part of it.
func fields(t reflect.Type) []field {
	if known, ok := fieldsOf.Load(t); ok {
		return known.([]field)
	}
	var known []field
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || f.Anonymous || name == "" || name == "-" {
			continue
		}
		known = append(known, field{name: name, index: f.Index, tag: f.Tag})
	}
	fieldsOf.Store(t, known)
	return known
}

// bounded checks a value against the tags of its field.
func bounded(v reflect.Value, tag reflect.StructTag, at int, path string) error {
	if allowed := strings.Fields(tag.Get("oneof")); len(allowed) > 0 && !slices.Contains(allowed, v.String()) {
		return fail(at, path, fmt.Sprintf("is %q; it must be %s", v.String(), choice(allowed)))
	}
	low, high := tag.Get("min"), tag.Get("max")
	if low != "" && v.Int() < bound(v.Type(), low) || high != "" && v.Int() > bound(v.Type(), high) {
		return fail(at, path, fmt.Sprintf("is out of range; it must be from %s to %s", low, high))
	}
	return nil
}

// bound reads a tag in the notation of the field that it stands at.
func bound(t reflect.Type, s string) int64 {
	v := reflect.New(t)
	var err error
	if own, ok := v.Interface().(encoding.TextUnmarshaler); ok {
		err = own.UnmarshalText([]byte(s))
	} else {
		var n int64
		n, err = strconv.ParseInt(s, 10, 64)
		v.Elem().SetInt(n)
	}
	if err != nil {
		panic(fmt.Sprintf("resources: bound %q of a %s field: %v", s, t, err)) // a mistake in our own source
	}
	return v.Elem().Int()
}

// unknown says that there is no such field, and which was meant.
func unknown(key string, known []field) string {
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
	}
	slices.Sort(names)
	if near := nearest.Name(key, names); near != "" {
		return fmt.Sprintf("is not a known field; did you mean %q?", near)
	}
	return "is not a known field; known are " + strings.Join(names, ", ")
}

// found names the type of a JSON value as people call it.
func found(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return string(raw)
	}
	return "the number " + string(raw)
}

// expected says what to write for a type.
func expected(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[cluster.Duration]():
		return `a duration as a string, such as "10s"`
	case reflect.TypeFor[Rate]():
		return `a rate as a string, such as "5/s"`
	case reflect.TypeFor[Size]():
		return `a size as a string, such as "1MiB"`
	case reflect.TypeFor[Secret]():
		return `a string, {"from_env": …} or {"from_file": …}`
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return expected(t.Elem())
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// choice lists words as a sentence does.
func choice(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	if last := len(quoted) - 1; last > 0 {
		return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
	}
	return quoted[0]
}

// Size is a number of bytes, written as a string such as "512B", "64KiB", "1MiB" or "2GiB".
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}}

// UnmarshalText reads a whole number with a unit.
func (s *Size) UnmarshalText(b []byte) error {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(string(b), unit.name)
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n >= 0 && n <= 1<<62/unit.bytes {
			*s = Size(n * unit.bytes)
			return nil
		}
		break
	}
	return fmt.Errorf("read size %q: write a whole number with B, KiB, MiB or GiB, such as 1MiB", b)
}

// MarshalText writes the size with the greatest unit that divides it.
func (s Size) MarshalText() ([]byte, error) {
	for _, unit := range []int{2, 1, 0} {
		if u := sizeUnits[unit]; s != 0 && int64(s)%u.bytes == 0 {
			return fmt.Appendf(nil, "%d%s", int64(s)/u.bytes, u.name), nil
		}
	}
	return fmt.Appendf(nil, "%dB", int64(s)), nil
}

// Moment is a point in time, written as RFC 3339 does; the empty string is none.
type Moment time.Time

// UnmarshalText reads a moment.
func (m *Moment) UnmarshalText(b []byte) error {
	*m = Moment{}
	if len(b) == 0 {
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return fmt.Errorf("read time %q: write it as 2026-12-31T23:59:59Z", b)
	}
	*m = Moment(at)
	return nil
}

// Passed tells whether the moment lies before now; none never does.
func (m Moment) Passed(now time.Time) bool { return m != Moment{} && time.Time(m).Before(now) }
