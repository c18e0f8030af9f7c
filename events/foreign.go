package events

import (
	"fmt"
	"strings"
	"time"
)

// Of makes an event of a value that lies in another log than the cluster's own, by the rules that hold there: an object with "data",
// "data_base64" or "specversion" is an event in the JSON format of CloudEvents, other JSON is itself the data, and so is what is
// none. The topic and the ID must be of TopicOf and IDOf.
func Of(topic, id string, at int64, value []byte) Event {
	e := Event{Topic: topic, ID: id, At: Position{Rev: at, Name: topic + "/" + id}}
	e.decode(value)
	return e
}

// TopicOf returns what a topic is called that another log calls so: the same, with an underscore for each byte that names of topics
// don't have, and cut off where they end.
func TopicOf(name string) string {
	topic := strings.Map(func(r rune) rune {
		if r >= 0x80 || !validTopic(string(r)) {
			return '_'
		}
		return r
	}, name)
	if topic == "" {
		return "_"
	}
	return topic[:min(len(topic), maxTopic)]
}

// Set sets an attribute by its name in CloudEvents, as it stands in a header: any that CloudEvents itself doesn't have is an extension.
func (e *Event) Set(name, text string) (err error) {
	switch name {
	case "specversion":
		if text != "1.0" {
			return fmt.Errorf("specversion is %q; only 1.0 is understood", text)
		}
	case "id":
		e.ID = text
	case "type":
		e.Type = text
	case "source":
		e.Source = text
	case "subject":
		e.Subject = text
	case "dataschema":
		e.Schema = text
	case "datacontenttype":
		e.ContentType = text
	case "time":
		if e.Time, err = time.Parse(time.RFC3339, text); err != nil {
			return fmt.Errorf("time is %q; write it like 2026-11-24T08:30:00Z", text)
		}
	default:
		if e.Extensions == nil {
			e.Extensions = map[string]string{}
		}
		e.Extensions[name] = text
	}
	return nil
}
