package post

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/drm-cluster/drm/resources"
)

// signing reads the field from a spec.
func signing(t *testing.T, fields string) *Signing {
	t.Helper()
	spec := struct {
		Signing Signing `json:"signing"`
	}{DefaultSigning()}
	if err := resources.Decode([]byte(`{"signing": {`+fields+`}}`), &spec); err != nil {
		t.Fatal(err)
	}
	if err := spec.Signing.check(); err != nil {
		t.Fatal(err)
	}
	return &spec.Signing
}

// The examples that Standard Webhooks publishes.
const (
	vectorID   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorBody = `{"test": 2432232314}`
	vectorTime = 1614265330

	symmetricKey  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	asymmetricKey = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="

	symmetricSignature  = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	asymmetricSignature = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)

// Every scheme signs as its examples have it: those of Standard Webhooks, GitHub's documentation for X-Hub-Signature-256,
// and for the others what openssl computes. Several keys give several signatures where the scheme has room.
func TestSignatures(t *testing.T) {
	for fields, want := range map[string]string{
		`"keys": [{"secret": "` + symmetricKey + `"}]`:                                                                           "Webhook-Signature: " + symmetricSignature,
		`"keys": [{"secret": "` + asymmetricKey + `"}]`:                                                                          "Webhook-Signature: " + asymmetricSignature,
		`"keys": [{"secret": "` + symmetricKey + `"}, {"secret": "` + asymmetricKey + `"}]`:                                      "Webhook-Signature: " + symmetricSignature + " " + asymmetricSignature,
		`"keys": [{"secret": "` + symmetricKey + `", "not_after": "2021-02-25T15:02:09Z"}, {"secret": "` + asymmetricKey + `"}]`: "Webhook-Signature: " + asymmetricSignature,
		`"keys": [{"secret": "` + symmetricKey + `", "not_after": "2021-02-25T15:02:10Z"}]`:                                      "Webhook-Signature: " + symmetricSignature,
		`"keys": []`: "",
	} {
		h := http.Header{}
		if err := signing(t, fields).sign(h, vectorID, time.Unix(vectorTime, 0), []byte(vectorBody)); err != nil {
			t.Fatal(err)
		}
		name, value, _ := strings.Cut(want, ": ")
		if name != "" && h.Get(name) != value || name == "" && len(h) != 2 || h.Get("webhook-id") != vectorID || h.Get("webhook-timestamp") != "1614265330" {
			t.Errorf("%s\n  headers %v\n  want    %s", fields, h, want)
		}
	}
}

// What GitHub publishes as an example of its signature, and the others in a form that can be computed with openssl:
// printf %s "$content" | openssl dgst -sha256 -hmac "$secret".
func TestOtherSchemes(t *testing.T) {
	const secret = `"keys": [{"secret": "It's a Secret to Everybody"}]`
	for fields, want := range map[string]string{
		`"scheme": "github", ` + secret: "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		`"scheme": "stripe", ` + secret: "Stripe-Signature: t=1614265330,v1=f37376a318b83773050e9e3ac8c6d599d2254e4f69edd75a1419cb54dc7264f3",
		`"scheme": "custom", "header": "x-sign", "value": "{timestamp};{signature}", "content": "{id}|{body}", "encoding": "base64", "hash": "sha512", ` + secret: "X-Sign: 1614265330;f4dfr/EgMnmyavo/ltQ/GtWx4vQbjvHC1hoJpEz2wrGAMbVg1LtkGi3207w7tTOCkuoWwF/3hjZtaYfXakBwzg==",
		`"scheme": "custom", "header": "x-sign", "hash": "sha1", ` + secret:                                                                                       "X-Sign: 01dc10d0c83e72ed246219cdd91669667fe2ca59",
	} {
		h := http.Header{}
		if err := signing(t, fields).sign(h, "m1", time.Unix(vectorTime, 0), []byte("Hello, World!")); err != nil {
			t.Fatal(err)
		}
		name, value, _ := strings.Cut(want, ": ")
		if h.Get(name) != value {
			t.Errorf("%s\n  %s: %s\n  want %s", fields, name, h.Get(name), value)
		}
	}
}

// The reference library, which is written by others, takes what we sign, also while keys are changed; and what v1a signs, who
// has only the public key can verify. Seen to fail with the timestamp left out of what is signed.
func TestReferenceVerifies(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	asymmetric := "whsk_" + base64.StdEncoding.EncodeToString(private)
	var old, next [32]byte
	rand.Read(old[:])
	rand.Read(next[:])
	secret := func(key [32]byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(key[:]) }
	s := signing(t, `"keys": [{"secret": "`+secret(old)+`"}, {"secret": "`+secret(next)+`"}, {"secret": "`+asymmetric+`"}]`)
	h, body := http.Header{}, []byte(`{"type":"order.paid"}`)
	if err := s.sign(h, "evt_1", time.Now(), body); err != nil {
		t.Fatal(err)
	}
	for _, key := range [][32]byte{old, next} {
		reference, err := standardwebhooks.NewWebhook(secret(key))
		if err != nil {
			t.Fatal(err)
		}
		if err := reference.Verify(body, h); err != nil {
			t.Error(err)
		}
		if err := reference.Verify(append(body, ' '), h); err == nil {
			t.Error("another body is verified too")
		}
	}
	signatures := strings.Fields(h.Get("webhook-signature"))
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signatures[2], "v1a,"))
	if err != nil || !ed25519.Verify(public, []byte("evt_1."+h.Get("webhook-timestamp")+"."+string(body)), raw) {
		t.Errorf("%v, %v", signatures, err)
	}
}

// Secrets that are none are refused when the spec is read, or, where the spec only points to them, when they are used; and
// never shown.
func TestSecretsAreChecked(t *testing.T) {
	encode := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	broken := "whsk_" + base64.StdEncoding.EncodeToString(append(make([]byte, 63), 7))
	for secret, want := range map[string]string{
		"":                                  `must begin with "whsec_"`,
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw":  `must begin with "whsec_"`,
		"whsec_":                            "has 0 bytes; Standard Webhooks asks for 24 to 64",
		"whsec_" + encode(23):               "has 23 bytes",
		"whsec_" + encode(65):               "has 65 bytes",
		"whsec_" + strings.Repeat("-_", 16): "is not base64 (with + and /",
		"whsec_ " + encode(24):              "is not base64",
		"whsec_" + encode(24) + " ":         "is not base64",
		"whsec_" + encode(25)[:35]:          "is not base64",
		"whsk_" + encode(32):                "has 32 bytes; an ed25519 key",
		"whsk_*":                            "is not base64",
		broken:                              "is not an ed25519 key: its second half is not the public key of its first",
	} {
		spec := Signing{Scheme: schemeStandard, Keys: []Key{{Secret: resources.Literal(secret)}}}
		err := spec.check()
		if err == nil || !strings.Contains(err.Error(), "signing.keys[0].secret "+want) || len(secret) > 10 && strings.Contains(err.Error(), secret[6:]) {
			t.Errorf("%s: %v", secret, err)
		}
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		pointed := signing(t, `"keys": [{"secret": {"from_file": "`+path+`"}}]`)
		if err := pointed.sign(http.Header{}, "m", time.Now(), nil); err == nil || !strings.Contains(err.Error(), "signing.keys[0]: its secret "+want) {
			t.Errorf("%s: %v", secret, err)
		}
	}
	for fields, want := range map[string]string{
		`{"scheme": "github", "keys": [{"secret": "short"}]}`:    "at least 8 characters",
		`{"scheme": "custom", "keys": []}`:                       "signing.header is needed",
		`{"scheme": "custom", "header": "a b"}`:                  "signing.header is needed",
		`{"scheme": "custom", "header": "x", "value": "v1"}`:     "has no {signature}",
		`{"scheme": "custom", "header": "x", "content": "{id}"}`: "has no {body}",
		`{"header": "x"}`:  "only for the scheme custom",
		`{"scheme": "v2"}`: `must be "standard", "github", "stripe" or "custom"`,
		`{"keys": [{"secret": "` + symmetricKey + `", "not_after": "tomorrow"}]}`: `read time "tomorrow"`,
	} {
		spec := struct {
			Signing Signing `json:"signing"`
		}{DefaultSigning()}
		err := resources.Decode([]byte(`{"signing": `+fields+`}`), &spec)
		if err == nil {
			err = spec.Signing.check()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", fields, err, want)
		}
	}
}

// With all keys past their time a request is not sent unsigned.
func TestNoKeyLeft(t *testing.T) {
	s := signing(t, `"keys": [{"secret": "`+symmetricKey+`", "not_after": "2021-01-01T00:00:00Z"}]`)
	if err := s.sign(http.Header{}, "m", time.Now(), nil); err == nil || !strings.Contains(err.Error(), "past its not_after") {
		t.Error(err)
	}
}
