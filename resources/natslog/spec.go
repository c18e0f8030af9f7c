package natslog

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/natsconn"
)

// Spec is what a resource's spec says of a stream.
type Spec struct {
	natsconn.Target

	Type     string   `json:"type"`
	Stream   string   `json:"stream"`
	Subjects []string `json:"subjects"` // with NATS's wildcards; empty: all of the stream
	Consumer string   `json:"consumer"` // the durable consumer; empty: one is named after the resource
}

const maxSubjects = 16

// Check says what is wrong with a spec, without looking at files or the network. As that of natsconn.Target it belongs where the object is
// decoded.
func (s *Spec) Check() error {
	if err := s.Target.Check(); err != nil {
		return err
	}
	switch {
	case s.Stream == "":
		return resources.Wrong("stream", "is missing; name the stream to read, such as ORDERS")
	case !isName(s.Stream):
		return resources.Wrong("stream", "is no name of a stream: those have no spaces, dots, slashes, * or >")
	case s.Consumer != "" && !isName(s.Consumer):
		return resources.Wrong("consumer", "is no name of a consumer: those have no spaces, dots, slashes, * or >")
	case len(s.Subjects) > maxSubjects:
		return resources.Wrong("subjects", fmt.Sprintf("has %d; it may have %d", len(s.Subjects), maxSubjects))
	}
	for i, subject := range s.Subjects {
		if !isSubject(subject) {
			return resources.Wrong(fmt.Sprintf("subjects[%d]", i), `is no subject; write it like "orders.eu", "orders.*" or "orders.>"`)
		}
	}
	return nil
}

// Name tells streams apart: a position in one means nothing in another.
func (s *Spec) Name() string { return s.URL + "/" + s.Stream }

// ConsumerFor names the consumer of a resource: the same on every node. What names of consumers can't have is replaced, and told apart by a
// number made of all of it.
func ConsumerFor(kind, id string) string {
	name := "drm-" + kind + "-" + id
	if isName(name) {
		return name
	}
	plain := strings.Map(func(r rune) rune {
		if r > '~' || !isName(string(r)) {
			return '_'
		}
		return r
	}, name)
	return fmt.Sprintf("%s-%08x", plain[:min(len(plain), maxName-9)], hash(name))
}

// maxName is how long the name of a stream or consumer may be.
const maxName = 128

func isName(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`.*>/\`, r)
	})
}

// isSubject tells whether a text is a subject, or a pattern of some.
func isSubject(subject string) bool {
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }) || token == ">" && i < len(tokens)-1 {
			return false
		}
	}
	return true
}

// hash is FNV-1a of 32 bits.
func hash(text string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(text))
	return h.Sum32()
}
