package resources

import (
	"net/http"
	"time"
)

// What a request of a poll came to.
const (
	Poll2xx    = "2xx"
	Poll304    = "304"
	Poll3xx    = "3xx" // or another answer that HTTP doesn't foresee
	Poll4xx    = "4xx" // but for 429
	Poll429    = "429"
	Poll5xx    = "5xx"
	PollFailed = "failed" // no answer, or one that was cut off or too large
)

// PollResults returns the results that a Meter hears of.
func PollResults() []string {
	return []string{Poll2xx, Poll304, Poll3xx, Poll4xx, Poll429, Poll5xx, PollFailed}
}

// PollResult returns the result that a status is.
func PollResult(status int) string {
	switch {
	case status == http.StatusNotModified:
		return Poll304
	case status == http.StatusTooManyRequests:
		return Poll429
	case status/100 == 2:
		return Poll2xx
	case status/100 == 4:
		return Poll4xx
	case status/100 == 5:
		return Poll5xx
	}
	return Poll3xx
}

// Poll tells of one request of a poll.
func (m *Meter) Poll(kind, result string, took time.Duration) {
	if m.Polls != nil {
		m.Polls(kind, result, took)
	}
}

// What a source does with what is listed.
const (
	SourceAdded   = "added"
	SourceUpdated = "updated"
	SourceRemoved = "removed"
	SourceRefused = "refused" // an entry that is no good, or somebody else's, or more to remove than max_removal
)

// SourceChanges returns the changes that a Meter hears of.
func SourceChanges() []string {
	return []string{SourceAdded, SourceUpdated, SourceRemoved, SourceRefused}
}

// Source counts n changes that a source made, or refused to make.
func (m *Meter) Source(change string, n int) {
	if m.Sourced != nil && n > 0 && change != "" {
		m.Sourced(change, n)
	}
}
