package state

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func target(id string) cluster.Key { return cluster.Key{Kind: "websocket", ID: id} }

// An edit is made with its record or not at all, and apart from the others: one whose resource has changed leaves both as they are. Seen to fail
// without the guard on the resource, and with the record written under the guard on the claim alone.
func TestEditsAreMadeWhole(t *testing.T) {
	s := open(t, etcdtest.Start(t).Endpoints())
	p := run(t, s, Options{}).Page(claim(t, s, "a"))
	path := func(id string) string { return cluster.ResourcePath(target(id)) }
	theirs := commit(t, s, cluster.Op{Path: path("theirs"), Value: []byte("1")}).Rev
	made, err := p.Edit(timeout(t), []Edit{
		{Key: target("new"), Spec: []byte("2"), Record: put("owned/new", "x")},
		{Key: target("theirs"), Spec: []byte("2"), Record: put("owned/theirs", "x")},
		{Key: target("theirs"), Rev: theirs, Record: put("owned/known", "x")},
	})
	if err != nil || !slices.Equal(made, []bool{true, false, true}) {
		t.Fatalf("%v, %v", made, err)
	}
	if have := kept(t, s, p.key); len(have) != 2 || have["owned/new"] != "x" || have["owned/known"] != "x" {
		t.Errorf("kept %v", have)
	}
	specs, revs := map[string]string{}, map[string]int64{}
	list := func() {
		clear(specs)
		err := p.Resources(timeout(t), "websocket", "", func(k cluster.Key, spec []byte, rev int64) { specs[k.ID], revs[k.ID] = string(spec), rev })
		if err != nil {
			t.Fatal(err)
		}
	}
	if list(); len(specs) != 2 || specs["new"] != "2" || specs["theirs"] != "1" {
		t.Errorf("resources %v", specs)
	}
	forget := Change{Name: "owned/new", Delete: true}
	made, err = p.Edit(timeout(t), []Edit{
		{Key: target("new"), Rev: revs["new"] - 1, Remove: true, Record: forget},
		{Key: target("theirs"), Rev: theirs, Record: Change{Name: "owned/known", Delete: true}},
	})
	if err != nil || !slices.Equal(made, []bool{false, true}) {
		t.Fatalf("%v, %v", made, err)
	}
	if made, err = p.Edit(timeout(t), []Edit{{Key: target("new"), Rev: revs["new"], Remove: true, Record: forget}}); err != nil || !made[0] {
		t.Fatalf("%v, %v", made, err)
	}
	if list(); len(specs) != 1 || len(kept(t, s, p.key)) != 0 {
		t.Errorf("left are %v and %v", specs, kept(t, s, p.key))
	}
}

// A holder that was replaced edits nothing any more. Seen to fail without the guard on the claim.
func TestEditIsFenced(t *testing.T) {
	s := open(t, etcdtest.Start(t).Endpoints())
	p := run(t, s, Options{}).Page(claim(t, s, "a"))
	claim(t, s, "a")
	_, err := p.Edit(timeout(t), []Edit{{Key: target("new"), Spec: []byte("2"), Record: put("owned/new", "x")}})
	if have := kept(t, s, p.key); !errors.Is(err, ErrFenced) || len(have) != 0 {
		t.Errorf("%v, kept %v", err, have)
	}
}

// Many edits, and large ones, are cut into requests that etcd takes. Seen to fail without maxEdits, and without maxBytes.
func TestManyEdits(t *testing.T) {
	s := open(t, etcdtest.Start(t).Endpoints())
	p := run(t, s, Options{}).Page(claim(t, s, "a"))
	var edits []Edit
	for i := range 3 * maxEdits {
		id, size := fmt.Sprint(i), 10
		if i < 5 {
			size = 400_000
		}
		edits = append(edits, Edit{Key: target(id), Spec: make([]byte, size), Record: put("owned/"+id, "x")})
	}
	made, err := p.Edit(timeout(t), edits)
	if err != nil || len(made) != len(edits) || slices.Contains(made, false) {
		t.Errorf("%d made, %v", len(made), err)
	}
	if have := kept(t, s, p.key); len(have) != len(edits) {
		t.Errorf("%d kept", len(have))
	}
}
