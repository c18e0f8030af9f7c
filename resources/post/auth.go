package post

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/drm-cluster/drm/resources"
)

// Auth is the "auth" field of a spec: how we say who we are. The zero Auth is {"type": "none"}. Client certificates
// are in "tls".
type Auth struct {
	basic  *basic
	header *headerAuth // bearer, api_key
	oauth2 *oauth2
}

// basic is {"type": "basic", …}.
type basic struct {
	Type     string           `json:"type"`
	Username string           `json:"username"`
	Password resources.Secret `json:"password"`
}

// headerAuth is a secret in a header: {"type": "bearer", …} and {"type": "api_key", …}.
type headerAuth struct {
	name, before string // the header, and what comes before the secret
	secret       resources.Secret
}

const authTypes = "none, basic, bearer, api_key, oauth2_client_credentials"

// UnmarshalJSON reads the field strictly: which fields there are depends on "type".
func (a *Auth) UnmarshalJSON(b []byte) error {
	var head struct {
		Type any `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return resources.Wrong("", `is not an object; give it one, such as {"type": "none"}`)
	}
	*a = Auth{}
	switch head.Type {
	case "none":
		var only struct {
			Type string `json:"type"`
		}
		return resources.Decode(b, &only)
	case "basic":
		a.basic = &basic{}
		return resources.Decode(b, a.basic)
	case "bearer":
		return a.readBearer(b)
	case "api_key":
		return a.readKey(b)
	case "oauth2_client_credentials":
		a.oauth2 = &oauth2{Style: styleBasic}
		return resources.Decode(b, a.oauth2)
	case nil:
		return resources.Wrong("type", "is missing; known types are "+authTypes)
	}
	return resources.Wrong("type", fmt.Sprintf("is %q; known types are %s", fmt.Sprint(head.Type), authTypes))
}

func (a *Auth) readBearer(b []byte) error {
	var bearer struct {
		Type  string           `json:"type"`
		Token resources.Secret `json:"token"`
	}
	err := resources.Decode(b, &bearer)
	a.header = &headerAuth{name: "Authorization", before: "Bearer ", secret: bearer.Token}
	return err
}

func (a *Auth) readKey(b []byte) error {
	var key struct {
		Type   string           `json:"type"`
		Header string           `json:"header"`
		Value  resources.Secret `json:"value"`
	}
	key.Header = "X-Api-Key"
	err := resources.Decode(b, &key)
	a.header = &headerAuth{name: http.CanonicalHeaderKey(key.Header), secret: key.Value}
	return err
}

// Check says what is missing, and whether the network settings exclude a URL.
func (a *Auth) Check(n *resources.Network) error {
	switch {
	case a.basic != nil && a.basic.Username == "":
		return resources.Wrong("auth.username", "is missing")
	case a.basic != nil && strings.Contains(a.basic.Username, ":"):
		return resources.Wrong("auth.username", "holds a colon, which HTTP can't tell from the one before the password")
	case a.header != nil && !resources.IsToken(a.header.name):
		return resources.Wrong("auth.header", "must be the name of a header")
	case a.header != nil && a.header.secret == resources.Secret{}:
		return resources.Wrong("auth", "has no token or value, which its type needs")
	case a.oauth2 != nil:
		return a.oauth2.check(n)
	}
	return nil
}

// Header is the header that it sets, "" for none.
func (a *Auth) Header() string {
	switch {
	case a.header != nil:
		return a.header.name
	case a.basic != nil || a.oauth2 != nil:
		return "Authorization"
	}
	return ""
}

// apply sets the header. It may read a file, and ask for a token. Errors hold no secret.
func (p *Poster) apply(ctx context.Context, h http.Header) error {
	name, value := p.target.Auth.Header(), ""
	var err error
	switch a := &p.target.Auth; {
	case a.header != nil:
		value, err = a.header.secret.Read()
		value = a.header.before + value
	case a.basic != nil:
		value, err = a.basic.Password.Read()
		value = "Basic " + base64.StdEncoding.EncodeToString([]byte(a.basic.Username+":"+value))
	case a.oauth2 != nil:
		value, err = p.tokens.get(ctx, p)
		value = "Bearer " + value
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	if !resources.IsHeaderValue(value) {
		return fmt.Errorf("authenticate: the secret of auth holds a line break or another control character")
	}
	h.Set(name, value)
	return nil
}
