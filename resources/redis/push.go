package redis

import (
	"time"
)

// push is what a server sends to subscribers.
type push struct {
	kind    string // message, subscribe, pong …
	channel string // or the pattern, of a confirmation
	pattern string
	data    []byte // nil: it was too long
}

// pushed reads an array that was pushed; ok is false if the reply is something else, such as the answer to a ping.
func pushed(reply any) (p push, ok bool) {
	parts, ok := reply.([]any)
	if !ok || len(parts) < 2 {
		return push{}, false
	}
	text := func(i int) string {
		b, _ := parts[i].([]byte)
		return string(b)
	}
	p = push{kind: text(0), channel: text(1)}
	switch {
	case p.kind == "pmessage" && len(parts) == 4:
		p.pattern, p.channel = p.channel, text(2)
		p.data, _ = parts[3].([]byte)
	case p.isMessage() && len(parts) == 3:
		p.data, _ = parts[2].([]byte)
	}
	return p, true
}

func (p push) isMessage() bool {
	return p.kind == "message" || p.kind == "pmessage" || p.kind == "smessage"
}

// topic is what a push belongs to.
func (p push) topic() topic {
	switch p.kind {
	case "pmessage":
		return topic{modePattern, p.pattern}
	case "psubscribe", "punsubscribe":
		return topic{modePattern, p.channel}
	case "smessage", "ssubscribe", "sunsubscribe":
		return topic{modeSharded, p.channel}
	}
	return topic{modePubsub, p.channel}
}

// pass hands a message to all who follow its topic.
func (u *hub) pass(p push, now time.Time) {
	u.mu.Lock()
	u.heard = now
	subs := u.topics[p.topic()]
	u.mu.Unlock()
	i := item{at: now, channel: p.channel, pattern: p.pattern, data: p.data}
	for _, s := range subs {
		s.hold.receive(i)
	}
}

// answered takes an answer to the oldest command that has none yet.
func (u *hub) answered(l *line, p push, now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.heard = now
	if p.kind == "sunsubscribe" && (len(l.awaited) == 0 || l.awaited[0] != command{unsubscribe, p.topic()}) {
		u.sendAway(p.topic(), errSlotMoved) // unasked: the channel is another node's from now on
		return nil
	}
	c, err := l.next()
	if err != nil {
		return err
	}
	if subs := u.topics[c.topic]; c.verb == subscribe {
		if p.topic() != c.topic {
			return errUnasked
		}
		if l.ending[c.topic] == 0 && len(subs) > 0 { // else all have left since it was sent, whoever has come after them
			u.live[c.topic] = true
			for _, s := range subs {
				s.went(now)
			}
		}
	}
	return nil
}

// refused takes an error that answers the oldest command.
func (u *hub) refused(l *line, why error, now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.heard = now
	c, err := l.next()
	if err != nil || c.verb == ping {
		return why
	}
	if c.verb == subscribe && l.ending[c.topic] == 0 {
		u.sendAway(c.topic, why)
	}
	return nil
}

// sendAway tells those who follow a topic that the server does not let them. Others go on. The caller has locked.
func (u *hub) sendAway(t topic, why error) {
	for _, s := range u.topics[t] {
		s.refuse(why, u.heard)
	}
	delete(u.topics, t)
	delete(u.live, t)
}

// next takes the oldest command that has no answer yet.
func (l *line) next() (command, error) {
	if len(l.awaited) == 0 {
		return command{}, errUnasked
	}
	c := l.awaited[0]
	l.awaited = l.awaited[1:]
	if c.verb == unsubscribe {
		if l.ending[c.topic]--; l.ending[c.topic] == 0 {
			delete(l.ending, c.topic)
		}
	}
	return c, nil
}
