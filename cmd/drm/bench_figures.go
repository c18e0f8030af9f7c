package main

import (
	"context"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/measure"
)

// figures are what "drm bench" has found.
type figures struct {
	Nodes           int       `json:"nodes"`
	Resources       int       `json:"resources"`
	PutsPerSecond   float64   `json:"puts_per_second"` // by etcd's own client
	ClaimsPerSecond float64   `json:"claims_per_second"`
	BidsLost        int       `json:"bids_lost"`
	HeldTwice       int       `json:"held_twice"`
	TermsLost       int       `json:"terms_lost"`
	TakenOver       int       `json:"taken_over"`
	TakeoverMS      float64   `json:"takeover_ms"` // from when others saw that the node is gone
	ReadMS          spread    `json:"read_ms"`
	PutMS           spread    `json:"put_ms"`
	RenewalMS       spread    `json:"renewal_ms"`
	BusyRenewalMS   spread    `json:"renewal_while_busy_ms"`
	LeastTTL        inSeconds `json:"least_ttl_s"`
	ElectionTimeout inSeconds `json:"election_timeout_at_most_s"`
	TTL             verdict   `json:"ttl"`
	Warnings        []string  `json:"warnings,omitempty"`
}

// inSeconds is a duration that is a number in JSON.
type inSeconds float64

// spread is a measure.Spread in milliseconds.
type spread struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func spreadOf(s measure.Spread) spread { return spread{ms(s.P50), ms(s.P99), ms(s.Max)} }

const (
	// samples is how often what is timed one at a time is done: with fewer, p99 would be the maximum.
	samples = 300
	// inFlight is how many puts etcd's own client has under way.
	inFlight = 64
	// mostPuts is enough to know how many a second etcd takes.
	mostPuts = 20_000
)

// oneAtATime measures while etcd has nothing else to do for us.
func (r *figures) oneAtATime(ctx context.Context, store *lease.Store, scratch *measure.Scratch) error {
	reads, err := scratch.Reads(ctx, samples)
	if err != nil {
		return err
	}
	_, puts, err := scratch.Puts(ctx, "single", samples, 1)
	if err != nil {
		return err
	}
	renewals, err := measure.Renewals(ctx, store, samples)
	if err != nil {
		return err
	}
	least, err := scratch.LeastTTL(ctx)
	if err != nil {
		return err
	}
	r.ReadMS, r.PutMS, r.RenewalMS = spreadOf(reads), spreadOf(puts), spreadOf(renewals)
	r.LeastTTL, r.ElectionTimeout = inSeconds(least.Seconds()), inSeconds((least * 2 / 3).Seconds())
	return nil
}

func (r *figures) puts(ctx context.Context, scratch *measure.Scratch) error {
	n := min(r.Resources, mostPuts)
	took, _, err := scratch.Puts(ctx, "puts", n, inFlight)
	r.PutsPerSecond = float64(n) / took.Seconds()
	return err
}

func (r *figures) claims(ctx context.Context, nodes *measure.Cluster, scratch *measure.Scratch) error {
	if err := scratch.Resources(ctx, r.Resources); err != nil {
		return err
	}
	var all []cluster.Node
	for i := range r.Nodes {
		all = append(all, cluster.Node{ID: fmt.Sprintf("bench-%d", i+1)})
	}
	took, err := nodes.Filled(ctx, r.Resources, all...)
	r.ClaimsPerSecond = float64(r.Resources) / took.Seconds()
	return err
}

// crash ends a node and sums up what was seen of all.
func (r *figures) crash(ctx context.Context, nodes *measure.Cluster) error {
	held, took, err := nodes.Crash(ctx, nodes.Fullest())
	if err != nil {
		return err
	}
	r.TakenOver, r.TakeoverMS = held, ms(took)
	r.BidsLost, r.HeldTwice, r.TermsLost = nodes.Lost(), nodes.Overlaps(), nodes.TermsLost()
	busy := nodes.Renewed.Spread()
	r.BusyRenewalMS = spreadOf(busy)
	slowest := max(busy.Max, time.Duration(r.RenewalMS.Max*float64(time.Millisecond)))
	granted, margin := nodes.Term()
	r.TTL = judgeTTL(granted, margin, slowest, time.Duration(float64(r.LeastTTL)*float64(time.Second)))
	return nil
}

// report prints what was found.
func (b *bench) report(r *figures) error {
	if b.output == "json" {
		return b.print(r, nil)
	}
	figure := func(v float64) string { return fmt.Sprintf("%.*f", digits(v), v) }
	rows := [][]string{
		{"puts, etcd's own client", figure(r.PutsPerSecond) + "/s"},
		{fmt.Sprintf("claims, %d nodes", r.Nodes), fmt.Sprintf("%s/s, %s for each put", figure(r.ClaimsPerSecond), figure(r.ClaimsPerSecond/r.PutsPerSecond))},
		{"takeover from a crashed node", fmt.Sprintf("%s in %s ms", howMany(r.TakenOver), figure(r.TakeoverMS))},
		{"bids lost", fmt.Sprint(r.BidsLost)},
		{"held twice", fmt.Sprint(r.HeldTwice)},
		{"terms lost", fmt.Sprint(r.TermsLost)},
		{"etcd's election timeout", fmt.Sprintf("%.1f s at most, as it grants a TTL of %g s", r.ElectionTimeout, r.LeastTTL)},
	}
	times := [][]string{{"MILLISECONDS", "P50", "P99", "MAX"}}
	for _, line := range []struct {
		what string
		spread
	}{
		{"linearizable read", r.ReadMS},
		{"put, with its sync to disk", r.PutMS},
		{"renewal", r.RenewalMS},
		{"renewals of a node, meanwhile", r.BusyRenewalMS},
	} {
		times = append(times, []string{line.what, figure(line.P50), figure(line.P99), figure(line.Max)})
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(b.stderr, "drm: %s\n", plain(w))
	}
	_, err := fmt.Fprintf(b.stdout, "%s\n%s\n%s\n", table(rows), table(times), r.TTL.Says)
	return err
}

// digits is how many places after the point say something.
func digits(v float64) int {
	switch {
	case v >= 100:
		return 0
	case v >= 10:
		return 1
	}
	return 2
}
