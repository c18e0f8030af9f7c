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

// Count returns how many events of a topic lie after a position, as far as the log is known here, which from now on it is.
func (l *Log) Count(topic string, after Position) (n int) {
	l.first.Do(func() { close(l.begun) })
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.topics[topic]
	if t == nil {
		return 0
	}
	for _, e := range t.entries[t.after(after):] {
		if e.gone == 0 {
			n++
		}
	}
	return n
}
