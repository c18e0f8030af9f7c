package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
)

// maxSpec is the largest spec that is put, in bytes: etcd takes requests of 1.5 MiB.
const maxSpec = 1 << 20

// wish is the spec that a resource is to have, or why an entry can't be followed.
type wish struct {
	spec []byte
	err  error
}

// list returns the entries of an answer, or an error when it is not to be trusted as a whole.
func (s *spec) list(a *pull.Answer) ([]json.RawMessage, error) {
	text := bytes.TrimPrefix(a.Body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, errors.New("read list: it is not UTF-8, as JSON must be")
	}
	switch {
	case s.Format == formatLines:
		return lines(text)
	case !s.Items.Empty():
		return s.pick(a, text)
	}
	var wrapped struct {
		Data *[]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &wrapped); err != nil {
		return nil, fmt.Errorf(`read list: %w; it must be {"data": […]} (see items and format)`, err)
	}
	if wrapped.Data == nil {
		return nil, errors.New(`read list: it has no member data; it must be {"data": […]} (see items and format)`)
	}
	return *wrapped.Data, nil
}

// lines reads an entry a line; nothing but white space may follow the last.
func lines(text []byte) (list []json.RawMessage, err error) {
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var entry json.RawMessage
		switch err := dec.Decode(&entry); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, fmt.Errorf("read list: entry %d: %w", len(list)+1, err)
		}
		list = append(list, entry)
	}
}

// pick reads the list that items gives.
func (s *spec) pick(a *pull.Answer, text []byte) ([]json.RawMessage, error) {
	b := body{Headers: map[string]string{}}
	for name, values := range a.Header {
		b.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	var err error
	if b.Data, err = resources.ParseJSON(text); err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	value, err := s.Items.Eval(b)
	if err != nil {
		return nil, fmt.Errorf("evaluate items: %w", err)
	}
	items, ok := value.([]any)
	if !ok {
		return nil, errors.New("evaluate items: it gave no list")
	}
	list := make([]json.RawMessage, len(items))
	for i, item := range items {
		if list[i], err = resources.EncodeJSON(item); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// wishes returns what each entry asks for. One that can't be told under which id it stands is known by its number. Of those that share an
// id and ask for different things none is followed.
func (s *spec) wishes(list []json.RawMessage) map[cluster.Key]wish {
	wishes := make(map[cluster.Key]wish, len(list))
	for i, raw := range list {
		id, spec, err := s.read(raw)
		if id == "" {
			id = fmt.Sprintf("entry %d", i+1)
		}
		k := cluster.Key{Kind: s.Kind, ID: id}
		if before, twice := wishes[k]; twice && (err != nil || before.err != nil || !bytes.Equal(before.spec, spec)) {
			spec, err = nil, errors.New("it is listed twice, with different specs")
		}
		wishes[k] = wish{spec: spec, err: err}
	}
	return wishes
}

// read takes an entry apart. An id comes with its prefix.
func (s *spec) read(raw json.RawMessage) (id string, spec []byte, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil && (s.ID.Empty() || s.Template.Empty()) {
		return "", nil, errors.New("it is no object")
	}
	e := entry{}
	if !s.ID.Empty() || !s.Template.Empty() {
		if e.Data, err = resources.ParseJSON(raw); err != nil {
			return "", nil, err
		}
	}
	if id, err = s.idOf(members, e); err != nil {
		return "", nil, err
	}
	id = s.Prefix + id
	if err := cluster.CheckID(id); err != nil {
		return "", nil, err
	}
	if e.ID = id; s.Template.Empty() {
		delete(members, "id")
		spec, err = json.Marshal(members)
	} else {
		var value any
		if value, err = s.Template.Eval(e); err == nil {
			spec, err = resources.EncodeJSON(value)
		}
		if err != nil {
			err = fmt.Errorf("evaluate spec: %w", err)
		}
	}
	if err == nil && len(spec) > maxSpec {
		err = fmt.Errorf("its spec has %d bytes; %d is the most", len(spec), maxSpec)
	}
	return id, spec, err
}

// idOf returns the id of an entry, without prefix.
func (s *spec) idOf(members map[string]json.RawMessage, e entry) (string, error) {
	var value any
	var err error
	if !s.ID.Empty() {
		if value, err = s.ID.Eval(e); err != nil {
			return "", fmt.Errorf("evaluate id: %w", err)
		}
	} else if raw := members["id"]; raw != nil {
		if value, err = resources.ParseJSON(raw); err != nil {
			return "", err
		}
	}
	switch value := value.(type) {
	case string:
		if value != "" {
			return value, nil
		}
	case int:
		return strconv.Itoa(value), nil
	}
	return "", errors.New("it has no id that is text or a whole number")
}
