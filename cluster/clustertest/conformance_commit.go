package clustertest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

func absent(paths ...string) []cluster.Guard {
	var guards []cluster.Guard
	for _, path := range paths {
		guards = append(guards, cluster.Guard{Path: path})
	}
	return guards
}

func testOneWinner(t *testing.T, c Cluster) {
	const bidders = 4
	answers := make([]cluster.Answer, bidders)
	var leases [bidders]cluster.LeaseID
	var wg sync.WaitGroup
	for i := range bidders {
		s := c.Store(fmt.Sprint(i))
		leases[i] = grant(t, s, timeout)
		wg.Go(func() {
			op := put(path(1), fmt.Sprint(i), leases[i])
			op.If = absent(path(1))
			var err error
			if answers[i], err = s.Commit(within(t), []cluster.Op{op}); err != nil {
				t.Errorf("Commit: %v", err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	winner := -1
	for i, answer := range answers {
		if answer.Results[0].Done && winner >= 0 {
			t.Fatalf("both %d and %d created the key", winner, i)
		}
		if answer.Results[0].Done {
			winner = i
		}
	}
	if winner < 0 {
		t.Fatal("nobody created the key")
	}
	for i, answer := range answers {
		if i != winner {
			found := answer.Results[0].Read
			if len(found) != 1 {
				t.Fatalf("a loser was told %v, want the winner's record", found)
			}
			wantRecord(t, found[0], path(1), fmt.Sprint(winner), leases[winner], answers[winner].Rev)
		}
	}
}

func testAlone(t *testing.T, c Cluster) {
	s := c.Store("a")
	rev := done(t, s, put(path(1), "old", 0))
	taken := put(path(1), "new", 0)
	taken.If = absent(path(1))
	free := put(path(2), "new", 0)
	free.If = absent(path(2))
	answer := commit(t, s, taken, free, put(path(3), "new", 0))
	if r := answer.Results; r[0].Done || !r[1].Done || !r[2].Done {
		t.Errorf("done: %t, %t, %t; want only the first op to fail", r[0].Done, r[1].Done, r[2].Done)
	}
	records := read(t, s, path(1), path(2), path(3))
	wantRecord(t, records[0], path(1), "old", 0, rev)
	wantRecord(t, records[1], path(2), "new", 0, answer.Rev)
	wantRecord(t, records[2], path(3), "new", 0, answer.Rev)
}

func testGuardsFirst(t *testing.T, c Cluster) {
	s := c.Store("a")
	first, second := put(path(1), "", 0), put(path(2), "", 0)
	first.If, second.If = absent(path(1), path(2)), absent(path(1), path(2))
	rev := done(t, s, first, second)

	first.If, second.If = []cluster.Guard{{Path: path(1), Rev: rev}}, []cluster.Guard{{Path: path(1), Rev: rev}}
	done(t, s, first, second)
}

func testMove(t *testing.T, c Cluster) {
	s := c.Store("a")
	from, to := grant(t, s, timeout), grant(t, s, timeout)
	rev := done(t, s, put(path(1), "from", from))
	op := put(path(1), "to", to)
	op.If = []cluster.Guard{{Path: path(1), Rev: rev}}
	moved := done(t, s, op)
	if moved <= rev {
		t.Errorf("the key moved at revision %d, not after %d", moved, rev)
	}
	if err := s.Revoke(within(t), from); err != nil {
		t.Fatalf("Revoke: %v", err)
	}
	found := read(t, s, path(1))[0]
	wantRecord(t, found, path(1), "to", to, moved)
	if found.Created != rev {
		t.Errorf("the key is said to be created at %d; it was at %d", found.Created, rev)
	}
	if err := s.Revoke(within(t), to); err != nil {
		t.Fatalf("Revoke: %v", err)
	}
	if r := read(t, s, path(1))[0]; !r.Deleted {
		t.Errorf("the key outlived the lease it was moved to: %+v", r)
	}
}

func testDetach(t *testing.T, c Cluster) {
	s := c.Store("a")
	id := grant(t, s, timeout)
	done(t, s, put(path(1), "", id))
	rev := done(t, s, put(path(1), "free", 0))
	if err := s.Revoke(within(t), id); err != nil {
		t.Fatalf("Revoke: %v", err)
	}
	wantRecord(t, read(t, s, path(1))[0], path(1), "free", 0, rev)
}

func testUnknownLease(t *testing.T, c Cluster) {
	s := c.Store("a")
	rev := done(t, s, put(path(1), "old", 0))
	id := anyLease()
	ops := []cluster.Op{{Path: path(1), Delete: true}, put(path(2), "", 0), put(path(3), "", id)}
	if _, err := s.Commit(within(t), ops); !errors.Is(err, cluster.ErrLeaseNotFound) {
		t.Errorf("a put on an unknown lease returned %v, want ErrLeaseNotFound", err)
	}
	records := read(t, s, path(1), path(2), path(3))
	wantRecord(t, records[0], path(1), "old", 0, rev)
	if !records[1].Deleted || !records[2].Deleted {
		t.Errorf("a rejected request wrote %+v and %+v", records[1], records[2])
	}
}

func testUnknownLeaseUnused(t *testing.T, c Cluster) {
	s := c.Store("a")
	rev := done(t, s, put(path(1), "", 0))
	op := put(path(1), "", anyLease())
	op.If = absent(path(1))
	answer := commit(t, s, op, put(path(2), "", 0))
	if r := answer.Results; r[0].Done || !r[1].Done {
		t.Errorf("done: %t, %t; want only the second op", r[0].Done, r[1].Done)
	}
	if answer.Rev <= rev {
		t.Errorf("answered revision %d after %d", answer.Rev, rev)
	}
}

func testRead(t *testing.T, c Cluster) {
	s := c.Store("a")
	rev := done(t, s, put(path(1), "one", 0))
	op := put(path(2), "two", 0)
	op.Read = []string{path(1), path(3)}
	answer := commit(t, s, op)
	if read := answer.Results[0].Read; len(read) == 2 {
		wantRecord(t, read[0], path(1), "one", 0, rev)
		wantAbsent(t, read[1], path(3), answer.Rev)
	} else {
		t.Errorf("reading two paths found %d records", len(read))
	}
	again := commit(t, s, cluster.Op{Read: []string{path(2)}})
	wantRecord(t, again.Results[0].Read[0], path(2), "two", 0, answer.Rev)
	if again.Rev < answer.Rev {
		t.Errorf("the revision went from %d to %d", answer.Rev, again.Rev)
	}
}

func testFailedGuards(t *testing.T, c Cluster) {
	s := c.Store("a")
	id := grant(t, s, timeout)
	rev := done(t, s, put(path(1), "one", id))
	op := put(path(2), "", 0)
	op.If = []cluster.Guard{{Path: path(1), Rev: rev}, {Path: path(3), Rev: rev}}
	op.Read = []string{path(4)}
	answer := commit(t, s, op)
	result := answer.Results[0]
	if result.Done || len(result.Read) != 2 {
		t.Fatalf("got %+v; want the records of the two guarded paths, and nothing done", result)
	}
	wantRecord(t, result.Read[0], path(1), "one", id, rev)
	wantAbsent(t, result.Read[1], path(3), answer.Rev)
}

func testDelete(t *testing.T, c Cluster) {
	s := c.Store("a")
	first := done(t, s, put(path(1), "", 0))
	second := done(t, s, put(path(1), "", 0))
	remove := cluster.Op{If: []cluster.Guard{{Path: path(1), Rev: first}}, Path: path(1), Delete: true}
	if commit(t, s, remove).Results[0].Done {
		t.Fatal("a delete guarded by an old revision was done")
	}
	remove.If[0].Rev = second
	deleted := done(t, s, remove)
	if commit(t, s, remove).Results[0].Done {
		t.Error("a guarded delete was done twice")
	}
	if r := read(t, s, path(1))[0]; !r.Deleted || r.Rev < deleted {
		t.Errorf("after the delete at %d the record is %+v", deleted, r)
	}
}

func testValues(t *testing.T, c Cluster) {
	s := c.Store("a")
	m := follow(t, c.Store("b"), c.Clock)
	values := []string{"", "\x00\xff", `{"node":"a"}`, string(make([]byte, 100_000))}
	for i, value := range values {
		rev := done(t, s, put(path(i), value, 0))
		wantRecord(t, read(t, s, path(i))[0], path(i), value, 0, rev)
		m.reach(rev)
		wantRecord(t, m.records[path(i)], path(i), value, 0, rev)
	}
}

func testCount(t *testing.T, c Cluster) {
	const clients, rounds = 8, 8
	var wg sync.WaitGroup
	for i := range clients {
		s := c.Store(fmt.Sprint(i))
		ctx := within(t)
		wg.Go(func() {
			for range rounds {
				if err := increment(ctx, s, path("count")); err != nil {
					t.Errorf("count: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got := string(read(t, c.Store("a"), path("count"))[0].Value); got != fmt.Sprint(clients*rounds) {
		t.Errorf("counted to %s, want %d", got, clients*rounds)
	}
}

// increment adds one to the number at path, by compare and swap.
func increment(ctx context.Context, s cluster.Store, path string) error {
	op := cluster.Op{If: absent(path), Path: path, Value: []byte("1")}
	for {
		answer, err := s.Commit(ctx, []cluster.Op{op})
		if err != nil || answer.Results[0].Done {
			return err
		}
		found := answer.Results[0].Read[0]
		count, err := strconv.Atoi(string(found.Value))
		if err != nil {
			return fmt.Errorf("read count: %w", err)
		}
		op.If[0].Rev, op.Value = found.Rev, []byte(strconv.Itoa(count+1))
	}
}
