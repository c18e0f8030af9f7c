package natsconn

import (
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/drm-cluster/drm/resources"
)

// How to say who we are.
const (
	authNone     = "none"
	authPassword = "password"
	authToken    = "token"
	authNkey     = "nkey"  // by the seed of a key whose public part the server knows
	authCreds    = "creds" // by what nsc writes into a .creds file: a user's JWT, and its seed
)

// Auth is the "auth" field of a spec: how we say who we are. The zero Auth is {"type": "none"}. Client certificates are in "tls".
// It is comparable.
type Auth struct {
	kind     string // "": none
	username string
	secret   resources.Secret // password, token, seed or contents of the file
}

// UnmarshalJSON reads the field strictly: which fields there are depends on "type".
func (a *Auth) UnmarshalJSON(b []byte) error {
	var f struct {
		Type     string           `json:"type" oneof:"none password token nkey creds"`
		Username string           `json:"username"`
		Password resources.Secret `json:"password"`
		Token    resources.Secret `json:"token"`
		Seed     resources.Secret `json:"seed"`
		Creds    resources.Secret `json:"creds"`
	}
	if err := resources.Decode(b, &f); err != nil {
		return err
	}
	needs := map[string]string{authPassword: "password", authToken: "token", authNkey: "seed", authCreds: "creds"}[f.Type]
	*a = Auth{kind: f.Type, username: f.Username}
	for _, given := range []struct {
		name   string
		secret resources.Secret
	}{{"password", f.Password}, {"token", f.Token}, {"seed", f.Seed}, {"creds", f.Creds}} {
		switch missing := given.secret == (resources.Secret{}); {
		case given.name == needs && missing:
			return resources.Wrong(needs, `is missing; give it {"from_env": …} or {"from_file": …}`)
		case given.name == needs:
			a.secret = given.secret
		case !missing:
			return resources.Wrong(given.name, fmt.Sprintf("is given, but the type is %q", f.Type))
		}
	}
	switch {
	case f.Type == "":
		return resources.Wrong("type", "is missing; it says which of the other fields there are")
	case (f.Type == authPassword) != (f.Username != ""):
		return resources.Wrong("username", fmt.Sprintf("belongs to the type %q, which needs it", authPassword))
	case f.Type == authNone:
		*a = Auth{}
	}
	return nil
}

// apply reads the secret and has a connection use it. Errors hold no secret.
func (a *Auth) apply(o *nats.Options) error {
	secret, err := a.secret.Read()
	if err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	switch a.kind {
	case authPassword:
		o.User, o.Password = a.username, secret
	case authToken:
		o.Token = secret
	case authNkey:
		pair, err := nkeys.FromSeed([]byte(secret))
		if err != nil {
			return fmt.Errorf("authenticate: read auth.seed as the seed of a user's nkey (SU…): %w", err)
		}
		if o.Nkey, err = pair.PublicKey(); err != nil {
			return fmt.Errorf("authenticate: read auth.seed: %w", err)
		}
		o.SignatureCB = pair.Sign
	case authCreds:
		jwt, err := nkeys.ParseDecoratedJWT([]byte(secret))
		if err != nil {
			return fmt.Errorf("authenticate: read auth.creds as a .creds file: %w", err)
		}
		pair, err := nkeys.ParseDecoratedUserNKey([]byte(secret))
		if err != nil {
			return fmt.Errorf("authenticate: read auth.creds as a .creds file: %w", err)
		}
		o.UserJWT = func() (string, error) { return jwt, nil }
		o.SignatureCB = pair.Sign
	}
	return nil
}
