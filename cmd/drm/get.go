package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
)

func newGet(p process) *cobra.Command {
	o := newOperator(p)
	cmd := &cobra.Command{
		Use:   "get [KIND[/ID]]",
		Short: "Show resources, who holds them and how they fare",
		Long: "Show all resources, those of a kind, or one: its state, who holds it, and the reason when it is not well. The state of\n" +
			"what is held is the holder's own word while something is wrong, else held; drm explain says more about one.",
		Example: "  drm get websocket\n  drm get -o json | jq '.[] | select(.state != \"held\")'",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			kind, id, one := "", "", false
			if len(args) > 0 {
				kind, id, one = strings.Cut(args[0], "/")
			}
			if one && id == "" {
				return exits(exitUsage, fmt.Errorf("%q names no resource; write KIND or KIND/ID", args[0]))
			}
			return o.do(func(ctx context.Context) error {
				if one {
					return o.getOne(ctx, cluster.Key{Kind: kind, ID: id})
				}
				return o.getAll(ctx, kind)
			})
		},
	}
	o.define(cmd.Flags())
	o.defineOutput(cmd.Flags())
	return cmd
}

// held is a resource with what its holder has noted of it. Revisions are strings, as in the HTTP API: they don't fit into
// the numbers of JSON's other readers.
type held struct {
	cluster.ResourceInfo
	SpecRev int64 `json:"spec_revision,string"`
	Epoch   int64 `json:"epoch,string,omitempty"`
}

// tell brings together what the view and the holder's note say.
func tell(info cluster.ResourceInfo, trouble cluster.Status) held {
	if trouble.Of(info) && info.Pending == nil {
		info.State, info.Error = trouble.State, trouble.Error
	}
	return held{info, info.SpecRev, info.Epoch}
}

func (o *operator) getAll(ctx context.Context, kind string) error {
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	infos := s.Resources(kind)
	if len(infos) == 0 {
		fmt.Fprintf(o.stderr, "drm: no resources there; they are keys such as %s%s\n",
			o.prefix, cluster.ResourcePath(cluster.Key{Kind: cmp.Or(kind, "websocket"), ID: "ID"}))
	}
	return o.show(ctx, infos)
}

func (o *operator) getOne(ctx context.Context, key cluster.Key) error {
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	info, known := s.Resource(key)
	if !known {
		return o.unknownResource(s, key)
	}
	return o.show(ctx, []cluster.ResourceInfo{info})
}

// unknownResource says that there is no such resource, and what may have been meant.
func (o *operator) unknownResource(s *cluster.Snapshot, key cluster.Key) error {
	var ids, kinds []string
	for _, info := range s.Resources("") {
		if info.Kind == key.Kind {
			ids = append(ids, info.ID)
		}
		kinds = append(kinds, info.Kind)
	}
	const most = 10_000 // to look through for what was meant
	hint := didYouMean(key.ID, ids[:min(len(ids), most)])
	if len(ids) == 0 {
		hint = didYouMean(key.Kind, slices.Compact(kinds))
	}
	return fmt.Errorf("no resource %s (no key %s%s)%s", key, o.prefix, cluster.ResourcePath(key), hint)
}

func (o *operator) show(ctx context.Context, infos []cluster.ResourceInfo) error {
	var keys []cluster.Key
	for _, info := range infos {
		if info.Holder != "" {
			keys = append(keys, info.Key)
		}
	}
	troubles, err := o.troubles(ctx, keys)
	if err != nil {
		return err
	}
	all := []held{}
	rows := [][]string{{"RESOURCE", "STATE", "HOLDER", "REASON"}}
	for _, info := range infos {
		h := tell(info, troubles[info.Key])
		all = append(all, h)
		rows = append(rows, []string{h.Key.String(), h.State, h.Holder, reason(h)})
	}
	return o.print(all, rows)
}

// reason is why a resource is not well, as far as it isn't.
func reason(h held) string {
	switch {
	case h.Pending != nil:
		return h.Pending.Reason + ": " + h.Pending.Detail
	case h.SpecRev == 0:
		return "it was removed, and is about to be stopped"
	}
	return h.Error
}
