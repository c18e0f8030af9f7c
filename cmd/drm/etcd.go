package main

import (
	"log/slog"
	"strings"

	"github.com/spf13/pflag"

	"github.com/drm-cluster/drm/lease"
)

const defaultEndpoints = "127.0.0.1:2379"

// etcdSettings are how to reach etcd. All commands that do so are told it alike.
type etcdSettings struct {
	endpoints             list
	prefix                string
	cacert, cert, key     string
	user, password        string
	insecureSkipTLSVerify bool
	envFile               string
	flags                 *pflag.FlagSet
	env                   map[string]string
}

// define adds the flags of etcd, but for --env-file, which means more to a node.
func (s *etcdSettings) define(f *pflag.FlagSet) {
	s.defineConnection(f)
	f.StringVar(&s.prefix, "prefix", "/drm/", "of all keys of the cluster in etcd")
}

// defineConnection adds the flags that say how to reach etcd, whatever is done there.
func (s *etcdSettings) defineConnection(f *pflag.FlagSet) {
	s.flags, s.endpoints = f, list{defaultEndpoints}
	f.Var(&s.endpoints, "endpoints", "etcd's members, host:port or URLs with commas between them")
	f.StringVar(&s.cacert, "cacert", "", "file of the authorities that etcd's certificate is checked against")
	f.StringVar(&s.cert, "cert", "", "file of the client certificate for etcd")
	f.StringVar(&s.key, "key", "", "file of the client certificate's key")
	f.StringVar(&s.user, "user", "", "etcd user, as name or name:password")
	f.StringVar(&s.password, "password", "", "password of the etcd user; others can read a command line, so better a variable or --env-file")
	f.BoolVar(&s.insecureSkipTLSVerify, "insecure-skip-tls-verify", false, "accept any certificate from etcd")
}

// etcd is how to reach etcd: etcdctl's variables, and what flags say instead.
func (s *etcdSettings) etcd(log *slog.Logger) (lease.Config, error) {
	cfg, err := lease.FromEnv(func(name string) (string, bool) {
		value, ok := s.env[name]
		return value, ok
	})
	if err != nil {
		return cfg, err
	}
	if len(cfg.Endpoints) == 0 || s.flags.Changed("endpoints") {
		cfg.Endpoints = s.endpoints
	}
	over := func(flag string, field *string, value string) {
		if s.flags.Changed(flag) {
			*field = value
		}
	}
	over("cacert", &cfg.CACert, s.cacert)
	over("cert", &cfg.Cert, s.cert)
	over("key", &cfg.Key, s.key)
	s.credentials(&cfg)
	if s.flags.Changed("insecure-skip-tls-verify") {
		cfg.InsecureSkipVerify = s.insecureSkipTLSVerify
	}
	cfg.Prefix, cfg.Log = s.prefix, log
	return cfg, cfg.Validate()
}

// credentials takes user and password from the flags; the user may bring its password along, as with etcdctl.
func (s *etcdSettings) credentials(cfg *lease.Config) {
	if s.flags.Changed("user") {
		name, password, both := strings.Cut(s.user, ":")
		cfg.User = name
		if both {
			cfg.Password = password
		}
	}
	if s.flags.Changed("password") {
		cfg.Password = s.password
	}
}
