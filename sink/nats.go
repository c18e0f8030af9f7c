package sink

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/natsconn"
)

// natsSpec is {"type": "nats", …}.
type natsSpec struct {
	remote
	natsconn.Target

	Subject   string `json:"subject"`   // may hold {kind} and {id}
	JetStream bool   `json:"jetstream"` // a stream keeps it, and says so, before it counts as taken
}

func defaultNATS() *natsSpec {
	return &natsSpec{remote: remotely(resources.SinkNATS, 100), JetStream: true}
}

func (n *natsSpec) check() error {
	example := fill(n.Subject, Message{Source: "drm/kind/id"})
	switch {
	case n.Subject == "":
		return resources.Wrong("subject", "is missing; it says where in NATS to publish, such as feed.{id}")
	case strings.ContainsAny(example, " \t\r\n*>") || strings.HasPrefix(example, ".") || strings.HasSuffix(example, ".") || strings.Contains(example, ".."):
		return resources.Wrong("subject", fmt.Sprintf("is %q; it must be words with dots between, without wildcards", n.Subject))
	}
	if err := checkFill("subject", n.Subject); err != nil {
		return err
	}
	return n.Target.Check()
}

func (n *natsSpec) open(set *Set) target { return &subject{set.nats.Open(n.Target), n} }

// subject publishes messages to NATS.
type subject struct {
	conn *natsconn.Conn
	spec *natsSpec
}

func (s *subject) close() { s.conn.Close() }

func (s *subject) send(ctx context.Context, batch []Message) error {
	ctx, cancel := resources.WithTimeout(ctx, time.Duration(s.spec.Timeout), s.spec.late())
	defer cancel()
	conn, err := s.conn.Get(ctx)
	if err != nil {
		return err
	}
	publish := plain
	if s.spec.JetStream {
		publish = stored
	}
	messages := make([]*nats.Msg, len(batch))
	var refused *refusal
	for i, m := range batch {
		if messages[i], err = s.message(m); err == nil && int64(len(messages[i].Data)) > conn.MaxPayload() {
			err = fmt.Errorf("publish message %s: %d bytes are more than the server takes (max_payload %d)", m.ID, len(messages[i].Data), conn.MaxPayload())
		}
		if err != nil {
			if refused == nil {
				refused = &refusal{}
			}
			refused.messages, refused.err, messages[i] = append(refused.messages, m), err, nil
		}
	}
	if err := publish(ctx, conn, messages); err != nil {
		return fmt.Errorf("publish to NATS subject %s: %w", s.spec.Subject, err)
	}
	if refused != nil {
		return refused
	}
	return nil
}

// message makes a message of NATS, whose id lets a stream tell that it has it.
func (s *subject) message(m Message) (*nats.Msg, error) {
	content, body, err := s.spec.encode(m)
	if err != nil {
		return nil, err
	}
	n := nats.NewMsg(subjectOf(s.spec.Subject, m))
	n.Data = body
	n.Header.Set("Content-Type", content)
	n.Header.Set(nats.MsgIdHdr, m.Source+"/"+m.ID)
	n.Header.Set(resources.FenceHeader, strconv.FormatInt(m.Epoch, 10))
	return n, nil
}

// subjectOf fills the subject. What NATS would take for more words or a wildcard becomes an underline.
func subjectOf(name string, m Message) string {
	m.Source = strings.Map(func(r rune) rune {
		if strings.ContainsRune(". \t\r\n*>", r) {
			return '_'
		}
		return r
	}, m.Source)
	return fill(name, m)
}

// plain publishes messages and returns when the server has read them. That is all that plain NATS can say.
func plain(ctx context.Context, conn *nats.Conn, messages []*nats.Msg) error {
	for _, m := range messages {
		if m == nil {
			continue
		}
		if err := conn.PublishMsg(m); err != nil {
			return err
		}
	}
	return conn.FlushWithContext(ctx)
}

// stored publishes messages to JetStream, all at once and in order, and returns when a stream has said of each that it keeps it.
func stored(ctx context.Context, conn *nats.Conn, messages []*nats.Msg) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	var acks []jetstream.PubAckFuture
	for _, m := range messages {
		if m == nil {
			continue
		}
		ack, err := js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
		if err != nil {
			return err
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return explain(err)
		case <-ctx.Done():
			return resources.Cause(ctx)
		}
	}
	return nil
}

// explain says what to do about an error of JetStream.
func explain(err error) error {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) {
		return errors.New(`no stream keeps this subject; make one, or set "jetstream": false`)
	}
	return err
}
