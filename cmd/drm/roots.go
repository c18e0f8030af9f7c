package main

// The authorities that certificates are checked against where the system has none, as in an image that holds
// nothing but drm: https:// and wss:// work there too. The system's own come first.
import _ "golang.org/x/crypto/x509roots/fallback"
