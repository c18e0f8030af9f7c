package events

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/drm-cluster/drm/cluster"
)

// Root is the path below which the topics lie.
const Root = "topics/"

// entry is an event as the index knows it.
type entry struct {
	at    Position
	path  string // of its key
	value []byte // nil: to be read again
	kept  bool   // there is a value
	gone  int64  // revision at which it was deleted or overwritten, or was seen to be; 0 while it lies in the store
}

// topic is one topic: its events in the order of the log.
type topic struct {
	name    string
	entries []*entry
	byPath  map[string]*entry // those that lie in the store
	gone    int               // how many of entries don't
	feeds   map[*Feed]struct{}
}

// after returns the index of the first entry after a position.
func (t *topic) after(p Position) int {
	return sort.Search(len(t.entries), func(i int) bool { return t.entries[i].at.Compare(p) > 0 })
}

// find returns the entry at a position, nil if there is none.
func (t *topic) find(p Position) *entry {
	i := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].at.Compare(p) >= 0 })
	if i < len(t.entries) && t.entries[i].at == p && t.entries[i].gone == 0 {
		return t.entries[i]
	}
	return nil
}

// insert puts an entry where it belongs: at the end, or among those of the same revision.
func (t *topic) insert(e *entry) {
	t.entries = append(t.entries, e)
	for i := len(t.entries) - 1; i > 0 && t.entries[i].at.Compare(t.entries[i-1].at) < 0; i-- {
		t.entries[i], t.entries[i-1] = t.entries[i-1], t.entries[i]
	}
	t.byPath[e.path] = e
}

// sweep forgets the entries that are gone, once they are the half of all, and tells the feeds that have not come to them.
func (t *topic) sweep() {
	if t.gone < 64 || 2*t.gone < len(t.entries) {
		return
	}
	for f := range t.feeds {
		for _, e := range t.entries[t.after(f.after):] {
			f.missed(e)
		}
	}
	t.entries = slices.DeleteFunc(t.entries, func(e *entry) bool { return e.gone != 0 })
	t.gone = 0
}

// topic returns the topic of that name, which it makes if need be.
func (l *Log) topic(name string) *topic {
	t := l.topics[name]
	if t == nil {
		t = &topic{name: name, byPath: map[string]*entry{}, feeds: map[*Feed]struct{}{}}
		l.topics[name] = t
		for f := range l.globs {
			f.join(t)
		}
	}
	return t
}

// split returns the topic that a path is of, and the name of the event in it; ok is false when it is of none.
func split(path string) (topic, name string, ok bool) {
	topic, name, ok = strings.Cut(strings.TrimPrefix(path, Root), "/")
	return topic, name, ok && name != "" && validTopic(topic)
}

// identify returns what lies under a key; ok is false when that is no event, as the key is of no topic.
func identify(r cluster.Record) (l Listed, ok bool) {
	topic, name, ok := split(r.Path)
	if !ok {
		return Listed{}, false
	}
	id := idOf(name, r.Created, r.Rev)
	return Listed{Topic: topic, ID: id, At: Position{Rev: r.Rev, Name: topic + "/" + id}, Path: r.Path}, true
}

// put takes in an event, or one in place of another.
func (l *Log) put(r cluster.Record) {
	is, ok := identify(r)
	if !ok {
		l.log.Warn("a key is not of a topic; write it as topics/<topic>/<id>, the topic of letters, digits, dots, - and _", "key", r.Path)
		return
	}
	t := l.topic(is.Topic)
	if before := t.byPath[r.Path]; before != nil {
		if before.at.Rev == r.Rev {
			return
		}
		l.remove(t, before, r.Rev)
	}
	e := &entry{at: is.At, path: r.Path}
	t.insert(e)
	if r.Value != nil {
		l.keep(e, r.Value)
	}
	for f := range t.feeds {
		f.rouse()
	}
}

// drop takes in that a key was deleted.
func (l *Log) drop(path string, rev int64) {
	name, _, _ := split(path)
	if t := l.topics[name]; t != nil && t.byPath[path] != nil {
		l.remove(t, t.byPath[path], rev)
		t.sweep()
		l.discard(t)
	}
}

// discard forgets a topic that nobody wants and that has no events.
func (l *Log) discard(t *topic) {
	if len(t.feeds)+len(t.byPath) == 0 {
		delete(l.topics, t.name)
	}
}

func (l *Log) remove(t *topic, e *entry, rev int64) {
	delete(t.byPath, e.path)
	e.gone = rev
	t.gone++
	l.forget(e)
}

// keep has a value in memory, at the cost of the oldest ones.
func (l *Log) keep(e *entry, value []byte) {
	if e.kept || e.gone != 0 {
		return
	}
	e.value, e.kept = value, true
	l.bytes += int64(len(value))
	l.kept++
	l.values = append(l.values, e)
	for l.bytes > l.most {
		l.forget(l.values[0])
		l.values = l.values[1:]
	}
	if len(l.values) > 2*l.kept+1024 {
		l.values = slices.DeleteFunc(l.values, func(e *entry) bool { return !e.kept })
	}
}

func (l *Log) forget(e *entry) {
	if e.kept {
		l.bytes -= int64(len(e.value))
		l.kept--
		e.value, e.kept = nil, false
	}
}

// adopt makes the index what a listing says.
func (l *Log) adopt(listed []cluster.Record, rev int64) {
	there := make(map[string]bool, len(listed))
	for _, r := range listed {
		there[r.Path] = true
	}
	for _, t := range l.topics {
		for path, e := range t.byPath {
			if !there[path] {
				l.remove(t, e, rev)
			}
		}
		t.sweep()
	}
	slices.SortFunc(listed, func(a, b cluster.Record) int { return cmp.Compare(a.Rev, b.Rev) })
	for _, r := range listed {
		l.put(r)
	}
}
