package post

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources"
)

// network allows http and the ports of servers.
func network(t *testing.T, servers ...*server) resources.Network {
	t.Helper()
	n := "{\"allow_http\": true, \"ports\": [1"
	for _, s := range servers {
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		n += ", " + u.Port()
	}
	var settings resources.Network
	if err := resources.Decode([]byte(n+"]}"), &settings); err != nil {
		t.Fatal(err)
	}
	return settings
}

const secrets = `, "headers": {"X-Secret": "s1"}, "auth": {"type": "bearer", "token": "t1"}`

// Redirects are followed as often as the caller says, keep the caller's headers, and lose the target's as soon as they lead to another
// origin, for good. Seen to fail with || for the && of trusted, without `trusted &&`, and with > for == at the number of hops.
func TestFetchFollowsRedirects(t *testing.T) {
	var home *server
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, home.URL+"/back", http.StatusFound) })
	home = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			http.Redirect(w, r, "/two", http.StatusMovedPermanently)
		case "/two":
			http.Redirect(w, r, other.URL+"/x#part", http.StatusTemporaryRedirect)
		default:
			_, _ = io.WriteString(w, "found")
		}
	})
	p := open(t, home.URL+"/", secrets, network(t, home, other))
	ask := Request{Method: http.MethodGet, URL: home.URL + "/", Header: http.Header{"Accept": {"a/b"}}, Redirects: 3}
	resp, err := p.Fetch(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil || string(body) != "found" || resp.URL.Path != "/back" {
		t.Errorf("%q from %s, %v", body, resp.URL, err)
	}
	for _, header := range []string{"X-Secret", "Authorization"} {
		if sent := home.all(header); sent[0] == "" || sent[1] == "" || sent[2] != "" {
			t.Errorf("home got %s %q", header, sent)
		}
		if sent := other.all(header); sent[0] != "" {
			t.Errorf("another origin got %s %q", header, sent)
		}
	}
	if sent := other.all("Accept"); sent[0] != "a/b" {
		t.Errorf("Accept %q", sent)
	}
	ask.Redirects = 2
	if _, err = p.Fetch(t.Context(), ask); err == nil || !strings.Contains(err.Error(), "more than 2 times") {
		t.Errorf("%v", err)
	}
}

// A redirect leads nowhere that the url of a spec may not: neither to other ports and schemes, nor past the guard. One of a POST is an answer
// like any other. Seen to fail without CheckURL in follow, and without the comparison with GET.
func TestFetchRefusesRedirects(t *testing.T) {
	var to string
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	})
	p := open(t, s.URL, "", network(t, s))
	for location, says := range map[string]string{
		"http://127.0.0.1:1/x":                   "connection refused", // it goes there, and nobody listens
		"https://127.0.0.1:2/":                   "network.ports",
		"file:///etc/passwd":                     "scheme",
		"http://u:p@127.0.0.1/":                  "user or password",
		"http://169.254.169.254:1/latest/":       "metadata service",
		"http://[::1%25a":                        "malformed",
		strings.Replace(s.URL, "http", "ftp", 1): "scheme",
		s.URL + "/loop":                          "more than 5 times",
	} {
		to = location
		_, err := p.Fetch(t.Context(), Request{Method: http.MethodGet, URL: s.URL, Header: http.Header{}, Redirects: 5})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %q", location, err, says)
		}
	}
	resp, err := p.Fetch(t.Context(), Request{Method: http.MethodPost, URL: s.URL, Header: http.Header{}, Body: []byte("x"), Redirects: 5})
	if err != nil || resp.Status != http.StatusFound {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = resp.Body.Close()
}
