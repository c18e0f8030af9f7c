package post

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/drm-cluster/drm/resources"
)

// How a client shows its secret to the token endpoint (RFC 6749, section 2.3.1).
const (
	styleBasic = "basic" // in the header Authorization
	styleBody  = "body"  // in the form
)

// oauth2 is {"type": "oauth2_client_credentials", …}: RFC 6749, section 4.4.
type oauth2 struct {
	Type         string           `json:"type"`
	TokenURL     string           `json:"token_url"`
	ClientID     string           `json:"client_id"`
	ClientSecret resources.Secret `json:"client_secret"`
	Scopes       []string         `json:"scopes"`
	Audience     string           `json:"audience"` // asked for by some; not in the RFC
	Style        string           `json:"style" oneof:"basic body"`
}

func (o *oauth2) check(n *resources.Network) error {
	switch {
	case o.ClientID == "":
		return resources.Wrong("auth.client_id", "is missing")
	case o.ClientSecret == resources.Secret{}:
		return resources.Wrong("auth.client_secret", "is missing")
	}
	return n.CheckURL("auth.token_url", o.TokenURL)
}

// A token is asked for anew this long before it ends, or, of a short life, when a tenth of it is left. One whose life is
// not told lasts for defaultLife.
const (
	tokenMargin = 30 * time.Second
	defaultLife = 5 * time.Minute
)

// tokens keeps the access token of one Poster. One caller at a time asks for it; the others wait for the answer.
type tokens struct {
	turn  chan struct{} // holds one token while somebody looks or asks
	value string
	until time.Time
}

// get returns a token that is valid for a while, asking for one if need be.
func (t *tokens) get(ctx context.Context, p *Poster) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("wait for a token: %w", resources.Cause(ctx))
	}
	if t.value != "" && time.Now().Before(t.until) {
		return t.value, nil
	}
	value, life, err := p.askToken(ctx)
	if err != nil {
		return "", err
	}
	t.value, t.until = value, time.Now().Add(life-min(tokenMargin, life/10))
	return value, nil
}

// refused forgets the token that a request carried, for the receiver did not take it. Another that was got since stays.
func (t *tokens) refused(ctx context.Context, authorization string) {
	select {
	case t.turn <- struct{}{}:
		if "Bearer "+t.value == authorization {
			t.value = ""
		}
		<-t.turn
	case <-ctx.Done():
	}
}

// askToken asks the token endpoint. An error holds what RFC 6749 has the endpoint say (section 5.2), not the answer.
func (p *Poster) askToken(ctx context.Context) (token string, life time.Duration, err error) {
	o := p.target.Auth.oauth2
	secret, err := o.ClientSecret.Read()
	if err != nil {
		return "", 0, fmt.Errorf("ask for a token: %w", err)
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(o.Scopes) > 0 {
		form.Set("scope", strings.Join(o.Scopes, " "))
	}
	if o.Audience != "" {
		form.Set("audience", o.Audience)
	}
	r := request{method: http.MethodPost, url: o.TokenURL, header: http.Header{}}
	r.header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.header.Set("Accept", "application/json")
	if o.Style == styleBody {
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", secret)
	} else {
		basic := &http.Request{Header: r.header}
		basic.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(secret))
	}
	r.body = []byte(form.Encode())
	answer, err := p.do(ctx, r)
	if err != nil {
		return "", 0, fmt.Errorf("ask for a token: %w", err)
	}
	return readToken(answer)
}

func readToken(answer *Answer) (token string, life time.Duration, err error) {
	var said struct {
		AccessToken string      `json:"access_token"`
		TokenType   string      `json:"token_type"`
		ExpiresIn   json.Number `json:"expires_in"` // some send a string
		Error       string      `json:"error"`
	}
	bad := json.Unmarshal(answer.Body, &said)
	switch {
	case answer.Status != http.StatusOK:
		return "", 0, fmt.Errorf("ask for a token: auth.token_url answered %d %s; see auth.client_id, auth.client_secret and auth.scopes",
			answer.Status, reason(said.Error))
	case bad != nil || said.AccessToken == "":
		return "", 0, errors.New("ask for a token: auth.token_url answered without an access_token in JSON; is it the right URL?")
	case said.TokenType != "" && !strings.EqualFold(said.TokenType, "bearer"):
		return "", 0, errors.New("ask for a token: auth.token_url gave a token of another type than bearer, which drm can't use")
	}
	life = defaultLife
	if seconds, err := said.ExpiresIn.Int64(); err == nil && seconds > 0 {
		life = time.Duration(min(seconds, int64(24*time.Hour/time.Second))) * time.Second
	}
	return said.AccessToken, life, nil
}

// reason returns an error code of RFC 6749, section 5.2, in brackets. Others are not repeated: they may be any text.
func reason(code string) string {
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		return "(" + code + ")"
	}
	return "without a reason"
}
