package sink

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// Spec is the "sink" field of a resource's spec. The zero Spec is {"type": "stdout"}.
type Spec struct {
	target kind // nil: stdout
}

// kind is what a spec says of one type of sink.
type kind interface {
	shared() *common
	check() error
	open(s *Set) target
}

// What is done with messages that the target refuses, or doesn't take in time.
const (
	errorBlock      = "block"       // the first are dropped; there is any time
	errorDrop       = "drop"        // dropped
	errorDeadLetter = "dead_letter" // published to a topic
)

// How a message is written.
const (
	formatCloudEvents = "cloudevents"
	formatRaw         = "raw" // its data as it came
)

// common are the fields of every type of sink.
type common struct {
	Type   string `json:"type"`
	Format string `json:"format" oneof:"cloudevents raw"`
	Batch  struct {
		Max    int              `json:"max" min:"1" max:"1000"`   // messages in one attempt
		Linger cluster.Duration `json:"linger" min:"0s" max:"1m"` // what one that is not full waits for more
	} `json:"batch"`
	Retry struct {
		Initial cluster.Duration `json:"initial" min:"10ms" max:"10m"`
		Max     cluster.Duration `json:"max" min:"10ms" max:"1h"`
		Jitter  string           `json:"jitter" oneof:"full equal none"`
		GiveUp  cluster.Duration `json:"give_up" min:"1s" max:"168h"` // after that much time, but never with on_error block
	} `json:"retry"`
	OnError    string `json:"on_error" oneof:"block drop dead_letter"`
	DeadLetter struct {
		Topic string `json:"topic"`
	} `json:"dead_letter"`
}

func commonly(sink string, batch int) common {
	c := common{Type: sink, Format: formatCloudEvents, OnError: errorBlock}
	c.Batch.Max = batch
	c.Retry.Initial = cluster.Duration(200 * time.Millisecond)
	c.Retry.Max = cluster.Duration(30 * time.Second)
	c.Retry.Jitter = resources.JitterFull
	c.Retry.GiveUp = cluster.Duration(time.Minute)
	return c
}

// backoff are the pauses between attempts.
func (c *common) backoff() resources.Backoff {
	return resources.Backoff{Initial: time.Duration(c.Retry.Initial), Max: time.Duration(c.Retry.Max), Jitter: c.Retry.Jitter}
}

func (c *common) shared() *common { return c }

func (c *common) check() error {
	switch topic := c.DeadLetter.Topic; {
	case c.OnError != errorDeadLetter && topic != "":
		return resources.Wrong("dead_letter", `is given, but on_error is not "dead_letter"`)
	case c.OnError == errorDeadLetter && topic == "":
		return resources.Wrong("dead_letter.topic", "is missing; it names the topic to publish to what was given up")
	case topic != "":
		if err := events.CheckTopic(topic); err != nil {
			return resources.Wrong("dead_letter.topic", err.Error())
		}
	}
	return nil
}

// remote are the fields of those that send over a network.
type remote struct {
	common

	Timeout cluster.Duration `json:"timeout" min:"100ms" max:"10m"` // of one attempt
}

func remotely(sink string, batch int) remote {
	return remote{common: commonly(sink, batch), Timeout: cluster.Duration(10 * time.Second)}
}

// late is why an attempt was ended.
func (r *remote) late() error {
	return fmt.Errorf("no answer within %s (timeout)", time.Duration(r.Timeout))
}

// kinds make the specs of each type, with its defaults.
var kinds = map[string]func() kind{
	resources.SinkStdout: func() kind { return defaultStdout() },
	resources.SinkFile:   func() kind { return defaultFile() },
	resources.SinkHTTP:   func() kind { return defaultHTTP() },
	resources.SinkEvent:  func() kind { return defaultEvent() },
	resources.SinkNATS:   func() kind { return defaultNATS() },
	resources.SinkRedis:  func() kind { return defaultRedis() },
}

// usual is what is not written in a spec at all, of which there are many.
var usual = defaultStdout()

func (s Spec) of() kind {
	if s.target == nil {
		return usual
	}
	return s.target
}

// Type returns the name of the sink, one of resources.SinkNames.
func (s Spec) Type() string { return s.of().shared().Type }

// UnmarshalJSON reads the spec strictly: which fields there are depends on "type".
func (s *Spec) UnmarshalJSON(b []byte) error {
	var head struct {
		Type any `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return resources.Wrong("", `is not an object; give it one, such as {"type": "stdout"}`)
	}
	name, _ := head.Type.(string)
	known := strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")
	switch {
	case head.Type == nil:
		return resources.Wrong("type", "is missing; known types are "+known)
	case kinds[name] == nil:
		return resources.Wrong("type", fmt.Sprintf("is %q; known types are %s", fmt.Sprint(head.Type), known))
	}
	k := kinds[name]()
	s.target = nil
	if err := resources.Decode(b, k); err != nil {
		return err
	}
	if err := k.shared().check(); err != nil {
		return err
	}
	if err := k.check(); err != nil {
		return err
	}
	if out, ok := k.(*stdoutSpec); !ok || *out != *usual { // what says no more than the zero Spec is that, and costs as little
		s.target = k
	}
	return nil
}
