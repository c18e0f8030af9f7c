package resources

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// CheckURL says what is wrong with a URL that is to be one of the schemes. Errors don't repeat the URL, which
// may hold a secret in its query.
func CheckURL(field, raw string, schemes ...string) error {
	want := schemes[0] + "://host:port/path"
	if raw == "" {
		return Wrong(field, "is missing; give it "+want)
	}
	u, err := url.Parse(raw)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return Wrong(field, fmt.Sprintf("is malformed (%v); give it %s", err, want))
	}
	switch port, err := strconv.ParseUint(u.Port(), 10, 16); {
	case !slices.Contains(schemes, u.Scheme):
		return Wrong(field, fmt.Sprintf("has the scheme %q; it must be %s", u.Scheme, choice(schemes)))
	case u.User != nil:
		return Wrong(field, "holds a user or password, which logs would show; "+
			`put them in headers, such as "Authorization": {"from_env": "NAME"}`)
	case u.Hostname() == "":
		return Wrong(field, "has no host; give it "+want)
	case u.Port() != "" && (err != nil || port == 0):
		return Wrong(field, fmt.Sprintf("has port %q; it must be from 1 to 65535", u.Port()))
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return Wrong(field, "has a fragment (#…), which is never sent; leave it out")
	}
	return nil
}

// RedactURL returns a URL as it may be shown: without credentials, query and fragment.
func RedactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "[malformed URL]"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
