package main

import (
	"log/slog"

	"github.com/drm-cluster/drm/lease"
)

// node is what supervisor and worker of a node have in common: its settings, checked, and its log.
type node struct {
	*settings
	log     *slog.Logger
	handler slog.Handler
	leveler slog.LevelVar
}

func openNode(p process, s *settings) (*node, error) {
	if err := s.complete(); err != nil {
		return nil, exits(exitConfig, err)
	}
	n := &node{settings: s}
	n.leveler.Set(slogLevel(s.logLevel))
	n.handler = newLog(p.stderr, s.logFormat, &n.leveler)
	n.logTo(n.handler)
	return n, nil
}

// logTo makes the log write to another handler.
func (n *node) logTo(h slog.Handler) { n.log = slog.New(h).With("node", n.node) }

// reload is what SIGHUP does. What can't be read leaves everything as it was.
func (n *node) reload(store *lease.Store) {
	level, err := n.level()
	if err == nil {
		n.leveler.Set(level)
		err = store.ReloadTLS()
	}
	if err != nil {
		n.log.Error("reload settings; those before stay in use", "err", err)
		return
	}
	n.log.Info("settings reloaded", "log_level", n.leveler.Level().String())
}
