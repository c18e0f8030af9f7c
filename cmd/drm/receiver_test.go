package main

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// What comes is verified and counted: by event, by epoch, and whether its signature was good. Seen to fail with what is not signed counted as come, with
// repetitions not counted, and with --answer not given.
func TestReceiver(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	r, err := startReceiver("127.0.0.1:0", secret, http.StatusAccepted)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	var reading sync.WaitGroup
	done := make(chan struct{})
	reading.Go(func() {
		for {
			select {
			case post := <-r.posts:
				lines = append(lines, post.String())
			case <-done:
				return
			}
		}
	})
	for _, c := range []struct {
		method, path, id, epoch string
		sign                    bool
		want                    int
	}{
		{"POST", "/", "a", "5", true, 202},
		{"POST", "/in?x=1", "b", "5", true, 202},
		{"POST", "/", "b", "9", true, 202},
		{"POST", "/", "c", "9", false, 401},
		{"GET", "/seen/b", "", "", true, 200},
		{"GET", "/seen/c", "", "", true, 404},
		{"PUT", "/", "d", "9", true, 405},
	} {
		if got := r.ask(t, secret, c.method, c.path, c.id, c.epoch, `{"n":1}`, c.sign); got != c.want {
			t.Errorf("%s %s of %s is answered with %d; want %d", c.method, c.path, c.id, got, c.want)
		}
	}
	want := "2 events in 3 POSTs, 1 of them more than once: b; signatures: 3 good, 1 bad; 2 under epoch 5, 1 under epoch 9; asked about 2, of which 1 had come"
	if got := r.tally(); got != want {
		t.Errorf("the tally is\n%s\nwant\n%s", got, want)
	}
	close(done)
	reading.Wait()
	r.close()
	if len(lines) != 4 || !strings.Contains(lines[0], `  a  attempt 1  epoch 5  signature good  {"n":1}`) || !strings.Contains(lines[3], "signature BAD: ") {
		t.Errorf("shown are %q", lines)
	}
}

// ask sends the receiver a request, signed or not, and returns the status of its answer.
func (r *receiver) ask(t *testing.T, secret, method, path, id, epoch, body string, sign bool) int {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := signer.Sign(id, now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if !sign {
		signature = "v1,AAAA"
	}
	for name, value := range map[string]string{
		"webhook-id": id, "webhook-timestamp": strconv.FormatInt(now.Unix(), 10), "webhook-signature": signature, "drm-fence": epoch, "drm-attempt": "1",
	} {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
