package redis

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/resources"
)

const (
	confirmed = "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
	pong      = "+PONG\r\n"
)

// fake answers commands as a test says, by their first word; it says nothing to others. It returns its address.
func fake(t *testing.T, answers map[string]string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { answer(conn, answers) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait() // the resource has ended by then, and its connections with it
	})
	return listener.Addr().String()
}

// answer reads commands until the connection ends.
func answer(conn net.Conn, answers map[string]string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		var words, length int
		if _, err := fmt.Fscanf(in, "*%d\r\n", &words); err != nil {
			return
		}
		var name string
		for i := range words {
			if _, err := fmt.Fscanf(in, "$%d\r\n", &length); err != nil {
				return
			}
			word := make([]byte, length+2)
			if _, err := io.ReadFull(in, word); err != nil {
				return
			}
			if i == 0 {
				name = string(word[:length])
			}
		}
		text := answers[name]
		if _, err := io.WriteString(conn, text); err != nil || strings.HasSuffix(text, "…") {
			return // as said, and the connection is cut within an answer
		}
	}
}

// Whatever a server answers, the resource says what is wrong and tries again after a while; it doesn't panic. Seen to fail without the check of what is answered: the unasked and the misplaced answer were taken.
func TestServerMisbehaves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ ping, subscribe, state, text string }{
		"loading":     {"-LOADING Redis is loading the dataset in memory\r\n", "", resources.StateBackingOff, "LOADING Redis is loading the dataset in memory; it has just started"},
		"master down": {"-MASTERDOWN Link with MASTER is down\r\n", "", resources.StateBackingOff, "it is a replica that has lost its master"},
		"read only":   {"-READONLY You can't write against a read only replica.\r\n", "", resources.StateBackingOff, "use sentinel"},
		"too many":    {"-ERR max number of clients reached\r\n", "", resources.StateBackingOff, "max number of clients"},
		"no auth":     {"-NOAUTH Authentication required.\r\n", "", resources.StateAuthFailed, "give it a password"},
		"http":        {"HTTP/1.1 400 Bad Request\r\n\r\n", "", resources.StateBackingOff, `it sent "HTTP/1.1 400 Bad Request`},
		"dumb":        {"", "", resources.StateSilent, "i/o timeout"},
		"garbage":     {pong, "\x00\xff\r\n", resources.StateBackingOff, "does not speak redis"},
		"huge array":  {pong, "*99999999999\r\n", resources.StateBackingOff, "elements"},
		"deep array":  {pong, strings.Repeat("*1\r\n", 100), resources.StateBackingOff, "arrays in arrays"},
		"long line":   {pong, "+" + strings.Repeat("x", 1<<20), resources.StateBackingOff, "line of more than"},
		"half":        {pong, "*3\r\n$9\r\nsubscr…", resources.StateBackingOff, "EOF"},
		"half gigabyte announced": {
			pong, confirmed + "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$536870912\r\n", resources.StateSilent, "i/o timeout",
		},
		"unasked":      {pong, confirmed + confirmed, resources.StateBackingOff, "not asked"},
		"misplaced":    {pong, strings.Replace(confirmed, "\nc\r", "\nd\r", 1), resources.StateBackingOff, "not asked"},
		"error later":  {pong, confirmed + "-ERR no\r\n", resources.StateBackingOff, "ERR no"},
		"empty array":  {pong, "*0\r\n", resources.StateBackingOff, "not asked"},
		"cluster down": {pong, "-CLUSTERDOWN Hash slot not served\r\n", resources.StateBackingOff, "Hash slot not served"},
		"moved nowhere": {
			pong, "-MOVED 1 nowhere\r\n", resources.StateBackingOff, "MOVED 1 nowhere",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := fake(t, map[string]string{"PING": c.ping, "SUBSCRIBE": c.subscribe})
			n := newNode(t, nil)
			h := n.hold("x", `{"url": "redis://`+addr+`", "channels": ["c"], "ping": {"interval": "200ms", "timeout": "200ms"},
					"reconnect": {"initial": "1m", "max": "1m"}}`)
			h.troubled(c.state, c.text)
		})
	}
}

// Servers that send each other's clients back and forth are left alone for a while. Seen to fail with maxHops not looked at.
func TestMovedInCircles(t *testing.T) {
	t.Parallel()
	var addr string
	answers := map[string]string{"PING": pong}
	addr = fake(t, answers)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	answers["SSUBSCRIBE"] = "-MOVED 7 :" + port + "\r\n"
	n := newNode(t, nil)
	h := n.hold("x", `{"url": "redis://`+addr+`", "mode": "sharded", "channels": ["c"], "reconnect": {"initial": "1m", "max": "1m"}}`)
	h.troubled(resources.StateBackingOff, "MOVED 7")
	if got := n.count.of(n.count.connects, resources.ConnectOK); got > maxHops+1 {
		t.Errorf("%d connections were made", got)
	}
}
