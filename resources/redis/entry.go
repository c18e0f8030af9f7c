package redis

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gomodule/redigo/redis"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
)

// entryID is the id of an entry of a stream: a time in milliseconds, unless its producer says something else, and a number.
type entryID struct{ ms, seq uint64 }

// parseEntryID reads 1526919030474-55, or without the number, which is then 0.
func parseEntryID(s string) (entryID, error) {
	first, second, both := strings.Cut(s, "-")
	ms, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return entryID{}, fmt.Errorf("read id %q: %w", s, err)
	}
	id := entryID{ms: ms}
	if both {
		if id.seq, err = strconv.ParseUint(second, 10, 64); err != nil {
			return entryID{}, fmt.Errorf("read id %q: %w", s, err)
		}
	}
	return id, nil
}

func (id entryID) String() string { return fmt.Sprintf("%d-%d", id.ms, id.seq) }

func (id entryID) compare(other entryID) int {
	return cmp.Or(cmp.Compare(id.ms, other.ms), cmp.Compare(id.seq, other.seq))
}

// time is when the entry was added, if the id tells; zero if it doesn't.
func (id entryID) time() time.Time {
	const since = 1_000_000_000_000 // the year 2001: what is less was made up
	if id.ms < since || id.ms > uint64(time.Now().Add(24*time.Hour).UnixMilli()) {
		return time.Time{}
	}
	return time.UnixMilli(int64(id.ms))
}

// entry is one of a stream.
type entry struct {
	id    entryID
	data  []byte // its fields as JSON
	size  int    // of the fields, as redis has them
	whole bool   // false: something of it was too long to be taken
}

var errShape = errors.New("the server's answer is not of the form that streams have")

// readEntries reads what XREAD answers for one stream; nil means that nothing has come in time. It ends at the first entry whose id
// was left out: it lies beyond what is taken at once.
func readEntries(reply any) ([]entry, error) {
	if reply == nil {
		return nil, nil
	}
	streams, ok := reply.([]any)
	if !ok || len(streams) != 1 {
		return nil, errShape
	}
	pair, err := redis.Values(streams[0], nil)
	if err != nil || len(pair) != 2 {
		return nil, errShape
	}
	list, err := redis.Values(pair[1], nil)
	if err != nil {
		return nil, errShape
	}
	entries := make([]entry, 0, len(list))
	for _, one := range list {
		e, err := readEntry(one)
		if errors.Is(err, redis.ErrNil) {
			break
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// readEntry reads an id and its fields. The error is redis.ErrNil if the id was left out.
func readEntry(reply any) (entry, error) {
	pair, err := redis.Values(reply, nil)
	if err != nil || len(pair) != 2 {
		return entry{}, errShape
	}
	text, err := redis.String(pair[0], nil)
	if err != nil {
		return entry{}, err
	}
	e := entry{whole: true}
	if e.id, err = parseEntryID(text); err != nil {
		return entry{}, errShape
	}
	fields, err := redis.Values(pair[1], nil)
	if err != nil || len(fields)%2 != 0 {
		return entry{}, errShape
	}
	object := make(map[string]string, len(fields)/2)
	for i := 0; i < len(fields); i += 2 {
		name, named := fields[i].([]byte)
		value, valued := fields[i+1].([]byte)
		if !named || !valued {
			e.whole = false
			return e, nil
		}
		e.size += len(name) + len(value)
		if utf8.Valid(value) {
			object[string(name)] = string(value)
		} else {
			object[string(name)+"_base64"] = base64.StdEncoding.EncodeToString(value)
		}
	}
	e.data, err = resources.EncodeJSON(object)
	return e, err
}

// shape is what XINFO STREAM tells of a stream.
type shape struct {
	exists bool
	last   entryID // that was ever given
	first  entryID // that is there, if any is
	some   bool    // there are entries
	added  int64   // entries that ever were; 0 if the server doesn't know (before Redis 7)
	length int64   // entries that are there
}

// readShape reads what XINFO STREAM answers.
func readShape(reply any, err error) (shape, error) {
	if redisconn.Code(err) == "ERR" && strings.Contains(err.Error(), "no such key") {
		return shape{}, nil
	}
	parts, err := redis.Values(reply, err)
	if err != nil {
		return shape{}, err
	}
	s := shape{exists: true}
	for i := 0; i+1 < len(parts); i += 2 {
		switch name, _ := redis.String(parts[i], nil); name {
		case "entries-added":
			s.added, _ = redis.Int64(parts[i+1], nil)
		case "length":
			s.length, _ = redis.Int64(parts[i+1], nil)
		case "last-generated-id":
			text, err := redis.String(parts[i+1], nil)
			if err == nil {
				s.last, err = parseEntryID(text)
			}
			if err != nil {
				return shape{}, errShape
			}
		case "first-entry":
			if parts[i+1] == nil {
				continue
			}
			e, err := readEntry(parts[i+1])
			if err != nil {
				return shape{}, errShape
			}
			s.first, s.some = e.id, true
		}
	}
	return s, nil
}
