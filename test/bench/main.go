//go:build linux

// Command bench measures drm as it runs, each figure beside its goal and beside what others do on the same etcd in the same run.
//
//	go run ./test/bench                  every figure, as a table (some minutes)
//	go run ./test/bench -list            what there is to measure
//	go run ./test/bench -only claims,kill -resources 1000
//	go run ./test/bench -json            for programs
//	go run ./test/bench -plot DIR        also pictures, SVG: takeover, balance, stall
//
// Some parts run "drm run" processes whose websockets go to a server that is a process of its own and remembers who was connected
// to what, and when (package recorder). Others run nodes inside this process whose runners only wait (package measure): these are
// about claims, plans and etcd. etcd is a process of its own each time, with all syncs that it makes.
//
// All of it shares one machine's cores: only ratios within one run mean something, and a shortage of cores shows as time.
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
	json, list bool
	only       []string
	resources  []int
	ttl        time.Duration
	plot       string
}

func parse() (options, error) {
	var o options
	var only, resources string
	flag.BoolVar(&o.list, "list", false, "say what there is to measure, and end")
	flag.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flag.StringVar(&only, "only", "", "parts to measure, with commas between them (default: all)")
	flag.StringVar(&resources, "resources", "", "how many resources, in place of each part's own numbers")
	flag.DurationVar(&o.ttl, "ttl", 8*time.Second, "--ttl of the nodes")
	flag.StringVar(&o.plot, "plot", "", "directory to write pictures into")
	flag.Parse()
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
	if resources != "" && len(o.resources) == 0 {
		return o, errors.New("-resources: give at least one number")
	}
	return o, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func run(ctx context.Context) (err error) {
	o, err := parse()
	if err != nil {
		return err
	}
	if o.list {
		return list(os.Stdout)
	}
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	var rows []row
	for _, p := range parts {
		if !slices.Contains(o.only, p.name) {
			continue
		}
		sizes := p.sizes
		if len(o.resources) > 0 {
			sizes = o.resources
		}
		for _, n := range sizes {
			fmt.Fprintf(os.Stderr, "%s, %d resources … ", p.name, n)
			began := time.Now()
			measured, err := b.measure(ctx, p, n)
			if err != nil {
				return fmt.Errorf("measure %s with %d resources: %w", p.name, n, err)
			}
			fmt.Fprintf(os.Stderr, "%.0f s\n", time.Since(began).Seconds())
			for _, r := range measured {
				r.Part = p.name
				rows = append(rows, r)
			}
		}
	}
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(rows)
	}
	return table(os.Stdout, rows)
}
