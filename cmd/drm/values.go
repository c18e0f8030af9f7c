package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// The flag values here print what they would read, so that a supervisor can pass its flags on to its worker.

// oneOf is a flag that takes one of a few words.
func oneOf(p *string, words ...string) pflag.Value { return &choice{p, words} }

type choice struct {
	p     *string
	words []string
}

func (c *choice) String() string { return *c.p }
func (c *choice) Type() string   { return strings.Join(c.words, "|") }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("it must be one of %s%s", strings.Join(c.words, ", "), didYouMean(s, c.words))
	}
	*c.p = s
	return nil
}

// list is a flag of values with commas between them.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }
func (l *list) Type() string   { return "list" }

func (l *list) Set(s string) error {
	*l = nil
	for value := range strings.SplitSeq(s, ",") {
		if value = strings.TrimSpace(value); value != "" {
			*l = append(*l, value)
		}
	}
	if len(*l) == 0 {
		return fmt.Errorf("it is empty")
	}
	return nil
}

// pairs is a flag of key=value pairs, given with commas between them or by repeating the flag.
type pairs map[string]string

func (p *pairs) Type() string { return "key=value" }

func (p *pairs) String() string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(*p)) {
		all = append(all, key+"="+(*p)[key])
	}
	return strings.Join(all, ",")
}

func (p *pairs) Set(s string) error {
	if *p == nil {
		*p = pairs{}
	}
	for pair := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return fmt.Errorf("%q is not of the form key=value", pair)
		}
		(*p)[key] = value
	}
	return nil
}

// limit is a flag that holds a number, or nothing when it was not given.
type limit struct{ n **int64 }

func (l limit) Type() string { return "number" }

func (l limit) String() string {
	if l.n == nil || *l.n == nil {
		return ""
	}
	return fmt.Sprint(**l.n)
}

func (l limit) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("it must be a whole number that is not negative")
	}
	*l.n = &n
	return nil
}
