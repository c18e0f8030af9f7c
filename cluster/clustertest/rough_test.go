package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever connections do, the store stays linearizable and, once they are mended, every follower knows all of it. Broken
// to see it fail: what waits during a cut dropped; a follower that goes on after a compaction; a listing asked for only
// once; late requests dropped.
func TestRoughConnections(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rough(t, seed) })
		})
	}
}

func rough(t *testing.T, seed uint64) {
	const clients, keys = 4, 3
	m := NewMemory(seed)
	r := rand.New(rand.NewPCG(seed, 1))
	ctx, cancel := context.WithCancel(t.Context())
	var (
		wg      sync.WaitGroup
		mirrors [clients]*mirror
		counted [clients]int // known to have been counted
		unknown [clients]int // those that may have been
	)
	for i := range clients {
		c := m.Client(fmt.Sprint(i))
		mirrors[i] = follow(t, c, c.Clock)
		c.Adjust(func(n *Network) { *n = Rough(r) })
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				try, cancel := context.WithTimeout(ctx, time.Second)
				if err := increment(try, c, path(n%keys)); err == nil {
					counted[i]++
				} else {
					unknown[i]++
				}
				cancel()
			}
		})
	}
	for range 60 {
		disturb(m, r, clients)
		drain(mirrors[:], time.Duration(r.IntN(2000))*time.Millisecond)
	}
	cancel()
	wg.Wait()
	for i := range clients {
		m.Client(fmt.Sprint(i)).Adjust(func(n *Network) { *n = Network{} })
	}
	drain(mirrors[:], 15*time.Second) // the latest of the late requests has arrived
	last := m.Put(path("last"), "")
	least, most, sum := 0, 0, 0
	for i, mirror := range mirrors {
		mirror.reach(last)
		least, most = least+counted[i], most+counted[i]+unknown[i]
	}
	for k := range keys {
		record, _ := m.Get(path(k))
		n, _ := strconv.Atoi(string(record.Value))
		sum += n
		for i, mirror := range mirrors {
			if got := mirror.records[path(k)]; got.Rev != record.Rev {
				t.Errorf("client %d was told %s at revision %d, it is at %d", i, path(k), got.Rev, record.Rev)
			}
		}
	}
	if sum < least || sum > most || least == 0 || most == least {
		t.Errorf("counted to %d; %d are known and at most %d may have been counted", sum, least, most)
	}
}

// disturb changes something at random.
func disturb(m *Memory, r *rand.Rand, clients int) {
	c := m.Client(fmt.Sprint(r.IntN(clients)))
	switch r.IntN(8) {
	case 0:
		c.Cut(true)
	case 1:
		m.Compact()
	case 2:
		m.Stall(time.Duration(r.IntN(3000)) * time.Millisecond)
	case 3:
		m.ChangeLeader(time.Duration(r.IntN(2000)) * time.Millisecond)
	case 4:
		c.Jump(time.Duration(r.IntN(3000)) * time.Millisecond)
	default:
		c.Adjust(func(n *Network) { *n = Rough(r) })
	}
}

// drain folds what followers are told for a while.
func drain(mirrors []*mirror, d time.Duration) {
	var wg sync.WaitGroup
	for _, m := range mirrors {
		wg.Go(func() {
			end := time.After(d)
			for {
				select {
				case b := <-m.batches:
					m.fold(b)
				case <-end:
					return
				}
			}
		})
	}
	wg.Wait()
}
