package events

// Unread returns how many events the open feeds have not given yet, each feed counting its own, as far as the log is known here. What was
// deleted meanwhile may be among them.
func (l *Log) Unread() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.topics {
		for f := range t.feeds {
			n += len(t.entries) - t.after(f.after)
		}
	}
	return n
}

// Exceeds tells whether more than so many events of a topic lie after a position, as far as the log is known here, which from now on it
// is. While it isn't, they don't.
func (l *Log) Exceeds(topic string, after Position, most int) bool {
	l.first.Do(func() { close(l.begun) })
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.topics[topic]
	if t == nil {
		return false
	}
	rest := t.entries[t.after(after):]
	if len(rest) <= most {
		return false // and for nearly all who ask, that is all
	}
	n := 0
	for _, e := range rest {
		if e.gone == 0 {
			n++
		}
	}
	return n > most
}
