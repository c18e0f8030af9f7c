package websocket

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/drm-cluster/drm/resources"
)

// terms are what the expressions of a spec may name.
type terms struct {
	Msg    any            `expr:"msg"`    // the message: as JSON has it; text when it is none; nothing where there is no message
	Resume map[string]any `expr:"resume"` // what resume.capture has captured
}

// template is a text to send, with holes: ${expression}, or ${secret:name} for one of "secrets". "$${" stands for "${". In a spec it is
// a string, or JSON whose strings may have holes. What fills a hole in a string of JSON, be it that of an object or of a text that is
// JSON, is escaped so that it stays in there; a string of an object that is a hole and nothing else becomes what fills it, whatever
// its type. In any other text a string goes in as it is and everything else as JSON.
type template []piece

// piece is a part of a template: a hole, or text.
type piece struct {
	text   string
	hole   *resources.Expression[terms, any]
	secret string
	form   form
}

// form is how a value fills a hole.
type form int

const (
	plain  form = iota // strings as they are, all else as JSON
	quoted             // within a string of JSON
	whole              // as JSON
)

// UnmarshalJSON reads a string, an object or a list.
func (t *template) UnmarshalJSON(b []byte) error {
	*t = nil
	var text string
	var err error
	switch {
	case b[0] == '{' || b[0] == '[':
		err = t.readJSON(b, true)
	case json.Unmarshal(b, &text) != nil:
		return errors.New("it is neither text nor an object or list")
	case strings.Contains(text, "${") && strings.ContainsAny(text[:1], "{[") && json.Valid([]byte(text)):
		err = t.readJSON([]byte(text), false)
	default:
		err = t.readText(text, plain)
	}
	return err
}

// readJSON makes holes of what is in the strings of some JSON; lone tells whether one that fills its string may be of any type.
func (t *template) readJSON(raw []byte, lone bool) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	for rest := compact.Bytes(); len(rest) > 0; {
		start := bytes.IndexByte(rest, '"')
		if start < 0 {
			t.add(piece{text: string(rest)})
			break
		}
		end := start + 1
		for ; rest[end] != '"'; end++ {
			if rest[end] == '\\' {
				end++
			}
		}
		key := end+1 < len(rest) && rest[end+1] == ':'
		t.add(piece{text: string(rest[:start])})
		if err := t.readString(rest[start:end+1], lone && !key); err != nil {
			return err
		}
		rest = rest[end+1:]
	}
	return nil
}

// readString reads one string of JSON, its quotes included.
func (t *template) readString(literal []byte, lone bool) error {
	var text string
	if err := json.Unmarshal(literal, &text); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	if !strings.Contains(text, "${") {
		t.add(piece{text: string(literal)})
		return nil
	}
	var inner template
	if err := inner.readText(text, quoted); err != nil {
		return err
	}
	if lone && len(inner) == 1 && inner[0].hole != nil {
		inner[0].form = whole
		t.add(inner[0])
		return nil
	}
	t.add(piece{text: `"`})
	for _, p := range inner {
		if p.hole == nil && p.secret == "" {
			p.text = escaped(p.text)
		}
		t.add(p)
	}
	t.add(piece{text: `"`})
	return nil
}

// readText makes holes of what is in a text.
func (t *template) readText(text string, f form) error {
	for {
		start := strings.Index(text, "${")
		if start < 0 {
			t.add(piece{text: text})
			return nil
		}
		if start > 0 && text[start-1] == '$' {
			t.add(piece{text: text[:start-1] + "${"})
			text = text[start+2:]
			continue
		}
		t.add(piece{text: text[:start]})
		length := holeEnd(text[start+2:])
		if length < 0 {
			return errors.New("it has a ${ without its }; write $${ for the text ${")
		}
		inside := text[start+2 : start+2+length]
		text = text[start+2+length+1:]
		if name, ok := strings.CutPrefix(inside, "secret:"); ok {
			t.add(piece{secret: name, form: f})
			continue
		}
		hole := &resources.Expression[terms, any]{}
		if err := hole.UnmarshalText([]byte(inside)); err != nil {
			return fmt.Errorf("in ${%s}: %w", inside, err)
		}
		if hole.Empty() {
			return errors.New("it has an empty ${}")
		}
		t.add(piece{hole: hole, form: f})
	}
}

// holeEnd returns where the bracket is that ends a hole, -1 if there is none: those in the expression come in pairs, or in its strings.
func holeEnd(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '}':
			return i
		}
	}
	return -1
}

// add adds a piece; text goes to the text before it.
func (t *template) add(p piece) {
	isText := p.hole == nil && p.secret == ""
	if isText && p.text == "" {
		return
	}
	if last := len(*t) - 1; isText && last >= 0 && (*t)[last].hole == nil && (*t)[last].secret == "" {
		(*t)[last].text += p.text
		return
	}
	*t = append(*t, p)
}

// check says which secret is not there.
func (t template) check(field string, secrets map[string]resources.Secret) error {
	for _, p := range t {
		if _, known := secrets[p.secret]; p.secret != "" && !known {
			return resources.Wrong(field, fmt.Sprintf(`uses ${secret:%s}, which is not in "secrets"; add it there, such as {"from_env": "NAME"}`, p.secret))
		}
	}
	return nil
}

// fill returns the text. Errors hold no values.
func (t template) fill(values terms, secrets map[string]resources.Secret) (string, error) {
	if len(t) == 1 && t[0].hole == nil && t[0].secret == "" {
		return t[0].text, nil
	}
	var b strings.Builder
	for _, p := range t {
		text, err := p.fill(values, secrets)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (p piece) fill(values terms, secrets map[string]resources.Secret) (string, error) {
	var value any
	var err error
	switch {
	case p.secret != "":
		if value, err = secrets[p.secret].Read(); err != nil {
			return "", fmt.Errorf("fill in ${secret:%s}: %w", p.secret, err)
		}
	case p.hole != nil:
		if value, err = p.hole.Eval(values); err != nil {
			return "", fmt.Errorf("fill in ${%s}: %w", p.hole, err)
		}
	default:
		return p.text, nil
	}
	text, isText := value.(string)
	switch {
	case isText && p.form == plain:
		return text, nil
	case isText && p.form == quoted:
		return escaped(text), nil
	case value == nil && p.form == quoted:
		return "", fmt.Errorf("fill in ${%s}: there is nothing to fill it with", p.hole)
	}
	raw, err := resources.EncodeJSON(value)
	if err == nil && p.form == quoted {
		return escaped(string(raw)), nil
	}
	return string(raw), err
}

// escaped returns a text as it stands within a string of JSON.
func escaped(text string) string {
	raw, err := resources.EncodeJSON(text)
	if err != nil {
		return "" // of a string: this can't be
	}
	return string(raw[1 : len(raw)-1])
}
