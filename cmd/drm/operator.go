package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// operator is what the commands share with which people look at a cluster and tell it what to do. They work on etcd alone, so
// that they need not reach any node.
type operator struct {
	etcdSettings
	process
	store  *lease.Store
	output string // table or json
}

func newOperator(p process) *operator {
	return &operator{process: p, etcdSettings: etcdSettings{env: variables(p.env)}}
}

// define adds the flags of etcd.
func (o *operator) define(f *pflag.FlagSet) {
	o.etcdSettings.define(f)
	f.StringVar(&o.envFile, envFileFlag, "", "file of DRM_ variables")
}

// defineOutput adds the choice of how data is printed.
func (o *operator) defineOutput(f *pflag.FlagSet) {
	o.output = "table"
	f.VarP(oneOf(&o.output, "table", "json"), "output", "o", "how to print it: table or json")
}

// do runs a command while etcd can be reached and nobody asks the process to end.
func (o *operator) do(f func(context.Context) error) error {
	log := slog.New(newLog(o.stderr, "text", slog.LevelWarn))
	cfg, err := o.etcd(log)
	if err != nil {
		return exits(exitConfig, err)
	}
	if o.store, err = lease.Open(cfg); err != nil {
		return exits(exitConfig, err)
	}
	defer o.store.Close()
	return o.interruptible(func(ctx context.Context) error {
		// Any read will do: whoever may only look needs no other right.
		_, err := o.store.Commit(ctx, []cluster.Op{{Read: []string{cluster.ControlFirst}}})
		if err := reached(ctx, err, cfg); err != nil {
			return err
		}
		err = f(ctx)
		var coded *codedError
		switch {
		case err == nil, errors.As(err, &coded):
			return err
		case errors.Is(err, cluster.ErrRefused):
			return exits(exitConfig, err)
		}
		return exits(exitError, err)
	})
}

// look returns the cluster as it is now.
func (o *operator) look(ctx context.Context) (*cluster.Snapshot, error) {
	return cluster.Look(ctx, o.store, lease.Boottime)
}

// put writes, or with nil deletes, a key of the cluster, and returns the revision as of then.
func (o *operator) put(ctx context.Context, path string, value any) (rev int64, err error) {
	op := cluster.Op{Path: path, Delete: value == nil}
	if value != nil {
		if op.Value, err = json.Marshal(value); err != nil {
			return 0, fmt.Errorf("encode %s: %w", path, err)
		}
	}
	answer, err := o.store.Commit(ctx, []cluster.Op{op})
	return answer.Rev, err
}

// troubles reads what holders have noted of trouble with resources.
func (o *operator) troubles(ctx context.Context, keys []cluster.Key) (map[cluster.Key]cluster.Status, error) {
	found := map[cluster.Key]cluster.Status{}
	for len(keys) > 0 {
		n := min(len(keys), cluster.MaxParts*cluster.MaxCommit)
		if err := o.readTroubles(ctx, keys[:n], found); err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return found, nil
}

func (o *operator) readTroubles(ctx context.Context, keys []cluster.Key, found map[cluster.Key]cluster.Status) error {
	var ops []cluster.Op
	byPath := map[string]cluster.Key{}
	for i, k := range keys {
		if i%cluster.MaxParts == 0 {
			ops = append(ops, cluster.Op{})
		}
		last := &ops[len(ops)-1]
		last.Read = append(last.Read, cluster.StatusPath(k))
		byPath[cluster.StatusPath(k)] = k
	}
	answer, err := o.store.Commit(ctx, ops)
	if err != nil {
		return fmt.Errorf("read what holders say of trouble: %w", err)
	}
	for _, result := range answer.Results {
		for _, r := range result.Read {
			var s cluster.Status
			if !r.Deleted && json.Unmarshal(r.Value, &s) == nil {
				found[byPath[r.Path]] = s
			}
		}
	}
	return nil
}

// print writes data: as JSON, or as a table whose rows are of cells.
func (o *operator) print(data any, rows [][]string) error {
	if o.output == "json" {
		encoder := json.NewEncoder(o.stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(data)
	}
	_, err := o.stdout.Write(table(rows))
	return err
}

// table lays rows out in columns. Cells come from etcd, so what would do things to a terminal is left out of them.
func table(rows [][]string) []byte {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = cmp.Or(plain(cell), "-")
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // into a buffer
	lines := strings.Split(text.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return []byte(strings.Join(lines, "\n"))
}

// plain makes text one line without control characters.
func plain(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
}

// unknownNode says that there is no such node, and which there are.
func unknownNode(s *cluster.Snapshot, node string) error {
	var names []string
	for _, n := range s.Cluster().Nodes {
		if n.State != "gone" {
			names = append(names, n.ID)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("no node %s; there are no nodes", node)
	}
	return fmt.Errorf("no node %s; the nodes are %s%s", node, strings.Join(names[:min(len(names), 50)], ", "), didYouMean(node, names))
}

// howMany says how many resources, in the number that fits.
func howMany(resources int) string {
	if resources == 1 {
		return "1 resource"
	}
	return fmt.Sprintf("%d resources", resources)
}
