package post

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1" // some receivers know nothing else
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/drm-cluster/drm/resources"
)

// The schemes of signing.
const (
	schemeStandard = "standard" // Standard Webhooks 1.0: v1 (HMAC-SHA256) and v1a (ed25519)
	schemeGitHub   = "github"   // X-Hub-Signature-256
	schemeStripe   = "stripe"   // Stripe-Signature
	schemeCustom   = "custom"   // as the spec says
)

// Headers of Standard Webhooks.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// Signing is the "signing" field of a spec: by what a receiver can tell that a request is ours. Begin with
// DefaultSigning. Without keys nothing is signed.
type Signing struct {
	Scheme string `json:"scheme" oneof:"standard github stripe custom"`
	Keys   []Key  `json:"keys"`

	// Of scheme custom. In Value stand {signature} and {timestamp}, in Content {id}, {timestamp} and {body}.
	Header   string `json:"header"`
	Value    string `json:"value"`
	Content  string `json:"content"` // what is signed
	Hash     string `json:"hash" oneof:"sha256 sha512 sha1"`
	Encoding string `json:"encoding" oneof:"hex base64"`
}

// Key is one key; several that are valid at once let a receiver change from one to the next.
type Key struct {
	Secret   resources.Secret `json:"secret"`
	NotAfter resources.Moment `json:"not_after"` // not used from then on; none: used for ever
}

// DefaultSigning returns what holds for the fields that a spec leaves out.
func DefaultSigning() Signing {
	return Signing{Scheme: schemeStandard, Value: "{signature}", Content: "{body}", Hash: "sha256", Encoding: "hex"}
}

// check says what is wrong with the settings, and with keys that the spec itself holds; others are looked at when they
// are used.
func (s *Signing) check() error {
	switch custom := s.Scheme == schemeCustom; {
	case custom && !resources.IsToken(s.Header):
		return resources.Wrong("signing.header", "is needed by the scheme custom; give it the name of a header")
	case custom && !strings.Contains(s.Value, "{signature}"):
		return resources.Wrong("signing.value", "has no {signature}")
	case custom && !strings.Contains(s.Content, "{body}"):
		return resources.Wrong("signing.content", "has no {body}: a signature that does not cover it proves nothing")
	case !custom && s.Header != "":
		return resources.Wrong("signing.header", "is only for the scheme custom; leave it out")
	}
	for i, key := range s.Keys {
		text, written := key.Secret.Written()
		if !written {
			continue
		}
		if _, err := s.parse(text); err != nil {
			return resources.Wrong(fmt.Sprintf("signing.keys[%d].secret", i), err.Error())
		}
	}
	return nil
}

// header is the header that carries the signature.
func (s *Signing) header() string {
	switch s.Scheme {
	case schemeGitHub:
		return "X-Hub-Signature-256"
	case schemeStripe:
		return "Stripe-Signature"
	case schemeCustom:
		return http.CanonicalHeaderKey(s.Header)
	}
	return headerSignature
}

// sign sets the headers that prove a request with this body to be ours, as of now. It reads secrets, which may be files. A
// request is never left unsigned because all keys are past their time: that is an error.
func (s *Signing) sign(h http.Header, id string, now time.Time, body []byte) error {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	h.Set(headerID, id)
	h.Set(headerTimestamp, timestamp)
	if len(s.Keys) == 0 {
		return nil
	}
	var signatures []string
	for i, key := range s.Keys {
		if key.NotAfter.Passed(now) {
			continue
		}
		text, err := key.Secret.Read()
		if err != nil {
			return fmt.Errorf("sign with signing.keys[%d]: %w", i, err)
		}
		k, err := s.parse(text)
		if err != nil {
			return fmt.Errorf("sign with signing.keys[%d]: its secret %w", i, err)
		}
		signatures = append(signatures, s.signature(k, id, timestamp, body))
	}
	if len(signatures) == 0 {
		return errors.New("sign: every one of signing.keys is past its not_after; add a key, here and at the receiver")
	}
	h.Set(s.header(), s.value(signatures, timestamp))
	return nil
}

// value puts signatures, the first key's first, into the form of the header. The forms with room for one take that.
func (s *Signing) value(signatures []string, timestamp string) string {
	switch s.Scheme {
	case schemeGitHub:
		return "sha256=" + signatures[0]
	case schemeStripe:
		return "t=" + timestamp + ",v1=" + strings.Join(signatures, ",v1=")
	case schemeCustom:
		return strings.NewReplacer("{signature}", signatures[0], "{timestamp}", timestamp).Replace(s.Value)
	}
	return strings.Join(signatures, " ")
}

// signature signs with one key.
func (s *Signing) signature(k signer, id, timestamp string, body []byte) string {
	switch s.Scheme {
	case schemeGitHub:
		return hex.EncodeToString(k.sum(body))
	case schemeStripe:
		return hex.EncodeToString(k.sum([]byte(timestamp+"."), body))
	case schemeCustom:
		content := strings.NewReplacer("{id}", id, "{timestamp}", timestamp, "{body}", string(body)).Replace(s.Content)
		if s.Encoding == "hex" {
			return hex.EncodeToString(k.sum([]byte(content)))
		}
		return base64.StdEncoding.EncodeToString(k.sum([]byte(content)))
	}
	return k.version + "," + base64.StdEncoding.EncodeToString(k.sum([]byte(id+"."+timestamp+"."), body))
}

// signer is a key that was read.
type signer struct {
	version string // of the scheme standard: v1 or v1a
	sum     func(parts ...[]byte) []byte
}

// Bounds of secrets, in bytes: those of Standard Webhooks, and for other schemes, whose secrets are any text, what no receiver
// that means it falls short of.
const (
	leastStandard, mostStandard = 24, 64
	leastOther                  = 8
)

// parse reads the text of a secret. Errors begin with a verb and never hold any of it.
func (s *Signing) parse(text string) (signer, error) {
	if s.Scheme != schemeStandard {
		if len(text) < leastOther {
			return signer{}, fmt.Errorf("is too short to be a secret; it must have at least %d characters", leastOther)
		}
		return keyed(hashes[s.Hash], []byte(text)), nil
	}
	if private, ok := strings.CutPrefix(text, "whsk_"); ok {
		return asymmetric(private)
	}
	encoded, ok := strings.CutPrefix(text, "whsec_")
	if !ok {
		return signer{}, errors.New(`must begin with "whsec_" (or "whsk_" for ed25519) and go on in base64`)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return signer{}, errors.New(`is not base64 (with + and /, and = at the end) after "whsec_"`)
	}
	if len(key) < leastStandard || len(key) > mostStandard {
		return signer{}, fmt.Errorf("has %d bytes; Standard Webhooks asks for %d to %d", len(key), leastStandard, mostStandard)
	}
	return keyed(sha256.New, key), nil
}

var hashes = map[string]func() hash.Hash{"sha256": sha256.New, "sha512": sha512.New, "sha1": sha1.New}

// keyed signs by HMAC (RFC 2104).
func keyed(hash func() hash.Hash, key []byte) signer {
	return signer{version: "v1", sum: func(parts ...[]byte) []byte {
		mac := hmac.New(hash, key)
		for _, part := range parts {
			mac.Write(part)
		}
		return mac.Sum(nil)
	}}
}

// asymmetric signs by ed25519 (RFC 8032); the secret is the seed followed by the public key, as libraries keep it.
func asymmetric(encoded string) (signer, error) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return signer{}, errors.New(`is not base64 (with + and /, and = at the end) after "whsk_"`)
	}
	if len(raw) != ed25519.PrivateKeySize {
		return signer{}, fmt.Errorf("has %d bytes; an ed25519 key, seed and public key, has %d", len(raw), ed25519.PrivateKeySize)
	}
	key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	if !key.Equal(ed25519.PrivateKey(raw)) {
		return signer{}, errors.New("is not an ed25519 key: its second half is not the public key of its first")
	}
	return signer{version: "v1a", sum: func(parts ...[]byte) []byte {
		var message []byte
		for _, part := range parts {
			message = append(message, part...)
		}
		return ed25519.Sign(key, message)
	}}, nil
}
