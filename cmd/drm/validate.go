package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/nearest"
	"github.com/drm-cluster/drm/resources/httppoll"
	"github.com/drm-cluster/drm/resources/redis"
	"github.com/drm-cluster/drm/resources/source"
	"github.com/drm-cluster/drm/resources/trim"
	"github.com/drm-cluster/drm/resources/webhook"
	"github.com/drm-cluster/drm/resources/websocket"
	"github.com/drm-cluster/drm/sink"
)

func newValidate(p process) *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Say what is wrong with specs, without a cluster",
		Long: "Say what is wrong with specs, as the nodes would: fields, values and expressions. Nothing is connected to, and files that a spec\n" +
			"names are not read. The file - is the standard input. Without --kind, the kind is the name of the file or of its directory, up to a\n" +
			"dot or a hyphen: redis-stream.json and redis/orders.json are of the kind redis.",
		Example: "  drm validate --kind websocket trades.json\n  drm validate resources/*/*.json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			if kind != "" && checks()[kind] == nil {
				return exits(exitUsage, unknownKind(kind))
			}
			wrong := 0
			for _, file := range files {
				said := "ok"
				if err := validate(file, kind, p.stdin); err != nil {
					wrong++
					said = err.Error()
				}
				fmt.Fprintf(p.stdout, "%s: %s\n", file, said)
			}
			if wrong > 0 {
				return exits(exitError, fmt.Errorf("%d of %d specs are wrong", wrong, len(files)))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "what the specs are of: "+strings.Join(kindNames, ", "))
	return cmd
}

// checks are what says what is wrong with a spec, by kind. They need neither etcd nor network.
func checks() map[string]func(json.RawMessage) error {
	sinks := sink.NewSet(sink.Options{Stdout: io.Discard})
	all := map[string]func(json.RawMessage) error{
		httppoll.Kind:  httppoll.New(httppoll.Options{Sinks: sinks}).Check,
		redis.Kind:     redis.New(redis.Options{Sinks: sinks}).Check,
		trim.Kind:      trim.New(trim.Options{}).Check,
		webhook.Kind:   webhook.New(webhook.Options{}).Check,
		websocket.Kind: websocket.New(websocket.Options{Sinks: sinks}).Check,
	}
	listable := slices.DeleteFunc(slices.Clone(kindNames), func(k string) bool { return k == source.Kind })
	all[source.Kind] = source.New(source.Options{
		Kinds: listable, Check: func(kind string, spec json.RawMessage) error { return all[kind](spec) },
	}).Check
	return all
}

// validate says what is wrong with the spec in a file.
func validate(file, kind string, stdin io.Reader) error {
	if kind == "" {
		if kind = kindOf(file); kind == "" {
			return fmt.Errorf("its kind is not known: give --kind, one of %s", strings.Join(kindNames, ", "))
		}
	}
	var spec []byte
	var err error
	if file == "-" {
		spec, err = io.ReadAll(stdin)
	} else {
		spec, err = os.ReadFile(file)
	}
	if err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	err = checks()[kind](spec)
	_, shared := cluster.ReadShared(spec)
	return cmp.Or(err, shared)
}

// kindOf tells the kind of a spec by the name of its file, or of the directory that the file is in; "" if it can't be told.
func kindOf(file string) string {
	for _, name := range []string{filepath.Base(file), filepath.Base(filepath.Dir(file))} {
		for _, cut := range []string{".", "-"} {
			name, _, _ = strings.Cut(name, cut)
		}
		if slices.Contains(kindNames, name) {
			return name
		}
	}
	return ""
}

func unknownKind(kind string) error {
	say := fmt.Sprintf("there is no kind %q; there are %s", kind, strings.Join(kindNames, ", "))
	if near := nearest.Name(kind, kindNames); near != "" {
		say += fmt.Sprintf("; did you mean %q?", near)
	}
	return errors.New(say)
}
