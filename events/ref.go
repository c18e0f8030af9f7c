package events

import (
	"fmt"
	"strconv"
	"strings"
)

// Ref names an event in keys: its revision, its topic and its ID. Refs sort as the log does.
func (e Event) Ref() string { return fmt.Sprintf("%016x~%s~%s", e.At.Rev, e.Topic, e.ID) }

// ParseRef reads what Ref wrote.
func ParseRef(ref string) (topic, id string, at Position, err error) {
	parts := strings.Split(ref, "~")
	if len(parts) != 3 || !validTopic(parts[1]) || !validID(parts[2]) {
		return "", "", Position{}, fmt.Errorf("read reference %q: write it as it was told, such as 0000000000000411~orders~evt_1", ref)
	}
	rev, err := strconv.ParseInt(parts[0], 16, 64)
	if err != nil || len(parts[0]) != 16 {
		return "", "", Position{}, fmt.Errorf("read reference %q: it does not begin with a revision in 16 hexadecimal digits", ref)
	}
	return parts[1], parts[2], Position{Rev: rev, Name: parts[1] + "/" + parts[2]}, nil
}

// maxTopic is how long the name of a topic may be.
const maxTopic = 128

// validTopic tells whether a topic may be called so: letters, digits, dots, underscores and hyphens.
func validTopic(name string) bool {
	if name == "" || len(name) > maxTopic {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// Match tells whether a text is what a glob describes, in which * stands for any text.
func Match(glob, s string) bool {
	parts := strings.Split(glob, "*")
	s, ok := strings.CutPrefix(s, parts[0])
	if !ok || len(parts) == 1 {
		return ok && s == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, s, ok = strings.Cut(s, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(s, parts[last])
}
