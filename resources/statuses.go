package resources

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Statuses are some status codes of HTTP: one, such as "429", or a hundred, such as "5xx".
type Statuses struct{ first, last int }

// UnmarshalText reads them.
func (s *Statuses) UnmarshalText(b []byte) error {
	digits, hundred := strings.CutSuffix(string(b), "xx")
	n, err := strconv.Atoi(digits)
	*s = Statuses{n, n}
	if hundred {
		*s = Statuses{n * 100, n*100 + 99}
	}
	if err != nil || s.first < 200 || s.last > 599 {
		return fmt.Errorf(`read status %q: write one from 200 to 599 as "429", or a hundred as "5xx"`, b)
	}
	return nil
}

// StatusesOf returns statuses written as in a spec; it panics on any that are not.
func StatusesOf(texts ...string) []Statuses {
	list := make([]Statuses, len(texts))
	for i, text := range texts {
		if err := list[i].UnmarshalText([]byte(text)); err != nil {
			panic("resources: " + err.Error()) // a mistake in our own source
		}
	}
	return list
}

// HasStatus tells whether a status is among some.
func HasStatus(list []Statuses, status int) bool {
	return slices.ContainsFunc(list, func(s Statuses) bool { return s.first <= status && status <= s.last })
}
