package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
)

func newRetry(p process) *cobra.Command {
	var (
		o    = newOperator(p)
		all  bool
		kind string
	)
	cmd := &cobra.Command{
		Use:   "retry KIND/ID... | --all",
		Short: "Try again what has failed or was given up, now",
		Long: "Try again what has failed or was given up, now instead of when its backoff ends; the count of failures begins anew.\n" +
			"It works by putting the spec again as it is, which etcdctl can do as well. What is not in trouble stays as it is.",
		Example: "  drm retry websocket/btc\n  drm retry --all --kind websocket",
		RunE: func(_ *cobra.Command, args []string) error {
			keys, err := keysOf(args)
			switch {
			case err != nil:
				return exits(exitUsage, err)
			case all == (len(keys) > 0):
				return exits(exitUsage, errors.New("name the resources, such as websocket/btc, or all of them by --all"))
			case kind != "" && !all:
				return exits(exitUsage, errors.New("--kind goes with --all"))
			}
			return o.do(func(ctx context.Context) error {
				if all {
					return o.retryAll(ctx, kind)
				}
				return o.retry(ctx, keys)
			})
		},
	}
	o.define(cmd.Flags())
	cmd.Flags().BoolVar(&all, "all", false, "all that is in trouble")
	cmd.Flags().StringVar(&kind, "kind", "", "of --all, only those of this kind")
	return cmd
}

// keysOf reads arguments that name resources.
func keysOf(args []string) (keys []cluster.Key, err error) {
	for _, arg := range args {
		kind, id, _ := strings.Cut(arg, "/")
		if err := cmp.Or(cluster.CheckID(kind), cluster.CheckID(id)); err != nil {
			return nil, fmt.Errorf("write KIND/ID, such as websocket/btc: %w", err)
		}
		keys = append(keys, cluster.Key{Kind: kind, ID: id})
	}
	return keys, nil
}

// retry tries some resources again, and says of each what was wrong.
func (o *operator) retry(ctx context.Context, keys []cluster.Key) error {
	for _, key := range keys {
		s, err := cluster.Retry(ctx, o.store.Commit, key)
		if errors.Is(err, cluster.ErrNoResource) {
			seen, lookErr := o.look(ctx)
			if lookErr != nil {
				return lookErr
			}
			return o.unknownResource(seen, key)
		}
		if err != nil {
			return err
		}
		if err := o.retried(key, s); err != nil {
			return err
		}
	}
	return nil
}

func (o *operator) retried(key cluster.Key, s *cluster.Status) error {
	said := fmt.Sprintf("%s is not in trouble", key)
	switch {
	case s == nil:
	case s.Retriable():
		said = fmt.Sprintf("%s is tried again; it was %s on %s: %s", key, s.State, s.Node, s.Error)
	case s.Error != "":
		said = fmt.Sprintf("%s is not tried again, since its newest spec is invalid; put one that is right: %s", key, s.Error)
	default:
		said = fmt.Sprintf("%s is done; to have it done again, put its spec again", key)
	}
	_, err := fmt.Fprintln(o.stdout, plain(said))
	return err
}

// retryAll tries again whatever is in trouble, of one kind or of all.
func (o *operator) retryAll(ctx context.Context, kind string) error {
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	var keys []cluster.Key
	for _, r := range s.Resources(kind) {
		keys = append(keys, r.Key)
	}
	troubled, err := o.troubles(ctx, keys)
	if err != nil {
		return err
	}
	tried := 0
	for _, key := range keys {
		if noted, ok := troubled[key]; !ok || !noted.Retriable() {
			continue
		}
		s, err := cluster.Retry(ctx, o.store.Commit, key)
		if err != nil && !errors.Is(err, cluster.ErrNoResource) {
			return err
		}
		if s != nil && s.Retriable() {
			tried++
			if err := o.retried(key, s); err != nil {
				return err
			}
		}
	}
	if tried == 0 {
		_, err = fmt.Fprintln(o.stdout, "nothing is in trouble that could be tried again")
	}
	return err
}
