//go:build linux

// Command bench measures drm as it runs: three "drm run" processes on a real etcd process, with websockets to a
// server that is a process of its own and remembers who was connected to what, and when.
//
//	go run ./test/bench -cluster          the table of README.md
//	go run ./test/bench -cluster -json    the same for programs
//	go run ./test/bench -cluster -only kill,join -resources 1000
//
// All of it shares one machine's cores: only ratios within one run mean something, and a shortage of cores shows
// as time. "held twice" is counted by the server at the other end, which asks the kernel: see package recorder.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if role(os.Args[1:]) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	cluster, json bool
	only          []string
	resources     []int
	ttl           time.Duration
}

func parse() (options, error) {
	var o options
	var only, resources string
	flag.BoolVar(&o.cluster, "cluster", false, "measure a cluster of three nodes")
	flag.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flag.StringVar(&only, "only", "", "parts to measure, with commas between them: "+strings.Join(names(), ", ")+" (default: all)")
	flag.StringVar(&resources, "resources", "1000,10000", "how many resources; parts that take one number take the first")
	flag.DurationVar(&o.ttl, "ttl", 8*time.Second, "--ttl of the nodes")
	flag.Parse()
	if !o.cluster {
		return o, errors.New("nothing to measure; give -cluster")
	}
	if o.only = split(only); len(o.only) == 0 {
		o.only = names()
	}
	for _, name := range o.only {
		if !slices.Contains(names(), name) {
			return o, fmt.Errorf("-only: there is no part %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	for _, text := range split(resources) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-resources: %q is no positive number", text)
		}
		o.resources = append(o.resources, n)
	}
	if len(o.resources) == 0 {
		return o, errors.New("-resources: give at least one number")
	}
	return o, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func run(ctx context.Context) error {
	o, err := parse()
	if err != nil {
		return err
	}
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	var rows []row
	for _, p := range parts {
		if !slices.Contains(o.only, p.name) {
			continue
		}
		sizes := o.resources
		if p.once {
			sizes = sizes[:1]
		}
		for _, n := range sizes {
			fmt.Fprintf(os.Stderr, "%s, %d resources …\n", p.name, n)
			measured, err := b.measure(ctx, p, n)
			if err != nil {
				return fmt.Errorf("measure %s with %d resources: %w", p.name, n, err)
			}
			rows = append(rows, measured...)
		}
	}
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(rows)
	}
	return table(os.Stdout, rows)
}
