package redisconn

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

// ReplyError is an error that the server answered, with what the user may do about it.
type ReplyError struct {
	Code string // its first word, such as NOAUTH
	Text string // the rest; may be empty

	login bool // it was the answer to the password
	hint  string
}

// Error gives the server's words, and a hint.
func (e *ReplyError) Error() string {
	text := "the server answered " + strings.TrimSpace(e.Code+" "+e.Text)
	if e.hint != "" {
		text += "; " + e.hint
	}
	return text
}

var hints = map[string]string{
	"NOAUTH":     "give it a password",
	"NOPERM":     "its user may not do this: see ACL SETUSER",
	"LOADING":    "it has just started",
	"MASTERDOWN": "it is a replica that has lost its master",
	"READONLY":   "it is a replica: name the master in url, or use sentinel",
}

// explain makes a *ReplyError of an error that the server answered. Other errors stay as they are.
func explain(err error) error {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return err
	}
	code, text, _ := strings.Cut(string(reply), " ")
	return &ReplyError{Code: code, Text: text, hint: hints[code]}
}

// Do sends a command and returns its answer. An error that the server answered is a *ReplyError, after which the connection can be
// used on; after any other it can't.
func (c *Conn) Do(command string, args ...any) (any, error) {
	reply, err := c.ConnWithTimeout.Do(command, args...)
	return reply, explain(err)
}

// Receive returns the next reply, or what was pushed. Errors are as those of Do.
func (c *Conn) Receive() (any, error) {
	reply, err := c.ConnWithTimeout.Receive()
	return reply, explain(err)
}

// ReceiveWithTimeout does as Receive, with another time-out than that of the connection.
func (c *Conn) ReceiveWithTimeout(d time.Duration) (any, error) {
	reply, err := c.ConnWithTimeout.ReceiveWithTimeout(d)
	return reply, explain(err)
}

// Code returns the first word of an error that the server answered, such as NOPERM; "" if err is none.
func Code(err error) string {
	var reply *ReplyError
	if errors.As(explain(err), &reply) {
		return reply.Code
	}
	return ""
}

// IsLogin tells whether an error means that the server does not let us in.
func IsLogin(err error) bool {
	var reply *ReplyError
	return errors.As(explain(err), &reply) && (reply.login || reply.Code == "NOAUTH")
}

// Moved returns where (host:port) an error MOVED of a cluster sends us; from is the address of who answered it.
func Moved(err error, from string) (addr string, ok bool) {
	var reply *ReplyError
	if !errors.As(explain(err), &reply) || reply.Code != "MOVED" {
		return "", false
	}
	_, to, _ := strings.Cut(reply.Text, " ") // the slot comes first
	colon := strings.LastIndexByte(to, ':')  // an IPv6 address has no brackets here
	if colon < 0 {
		return "", false
	}
	host, port := to[:colon], to[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", false
	}
	if host == "" { // a node that does not know its own address
		if host, _, err = net.SplitHostPort(from); err != nil {
			return "", false
		}
	}
	return net.JoinHostPort(host, port), true
}
