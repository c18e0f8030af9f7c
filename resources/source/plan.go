package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/state"
)

const ownedDir = "owned/"

// digest is a hash of a spec.
type digest [16]byte

func digestOf(spec []byte) digest {
	sum := sha256.Sum256(spec)
	return digest(sum[:16])
}

// found is a resource as it lies in the store.
type found struct {
	rev  int64
	spec digest
}

// records returns what the source has put, as it lies in the store: resources, with the hashes of their specs.
func (h *hold) records() (map[cluster.Key]digest, error) {
	records, err := h.page.Load(h.ctx)
	if err != nil {
		return nil, err
	}
	owned := make(map[cluster.Key]digest, len(records))
	for _, r := range records {
		kind, id, ok := strings.Cut(strings.TrimPrefix(r.Name, ownedDir), "/")
		sum, err := hex.DecodeString(string(r.Value))
		if !strings.HasPrefix(r.Name, ownedDir) || !ok || err != nil || len(sum) != len(digest{}) {
			return nil, fmt.Errorf("read what was put: the record %q is not what drm has written there; delete the key state/%s/%s", r.Name, h.claim.Key, r.Name)
		}
		owned[cluster.Key{Kind: kind, ID: id}] = digest(sum)
	}
	return owned, nil
}

// resources returns those that there are under the kind and prefix of the spec, and where the source has put any before its spec was another.
func (h *hold) resources(owned map[cluster.Key]digest) (map[cluster.Key]found, error) {
	whole := map[string]bool{} // kinds
	for k := range owned {
		if k.Kind != h.spec.Kind || !strings.HasPrefix(k.ID, h.spec.Prefix) {
			whole[k.Kind] = true
		}
	}
	there := map[cluster.Key]found{}
	take := func(k cluster.Key, spec []byte, rev int64) { there[k] = found{rev, digestOf(spec)} }
	for kind := range whole {
		if err := h.page.Resources(h.ctx, kind, "", take); err != nil {
			return nil, err
		}
	}
	if whole[h.spec.Kind] {
		return there, nil
	}
	return there, h.page.Resources(h.ctx, h.spec.Kind, h.spec.Prefix, take)
}

// plan is what is to be done.
type plan struct {
	add, update, remove []state.Edit
	forget              []state.Edit // records of what is the source's no more
	problems            []problem
}

var errForeign = errors.New("it is not this source's: it was put, or changed, by somebody else, and is left as it is")

// plan decides, from what is wished, what there is and what is on record alone.
func (h *hold) plan(wishes map[cluster.Key]wish, there map[cluster.Key]found, owned map[cluster.Key]digest) plan {
	var p plan
	for k, w := range wishes {
		now, exists := there[k]
		as, recorded := owned[k]
		want := digestOf(w.spec)
		switch {
		case w.err != nil:
			p.problems = append(p.problems, problem{k, w.err})
		case exists && (!recorded || as != now.spec):
			p.problems = append(p.problems, problem{k, errForeign})
		case exists && want == now.spec:
		default:
			if err := h.o.Check(k.Kind, w.spec); err != nil {
				p.problems = append(p.problems, problem{k, err})
				continue
			}
			edit := state.Edit{Key: k, Rev: now.rev, Spec: w.spec, Record: recordOf(k, want)}
			if exists {
				p.update = append(p.update, edit)
			} else {
				p.add = append(p.add, edit)
			}
		}
	}
	own := 0
	for k, as := range owned {
		now, exists := there[k]
		ours := exists && as == now.spec
		if ours {
			own++
		}
		if _, wished := wishes[k]; wished {
			continue
		}
		edit := state.Edit{Key: k, Rev: now.rev, Remove: ours, Record: state.Change{Name: recordName(k), Delete: true}}
		if ours {
			p.remove = append(p.remove, edit)
		} else {
			p.forget = append(p.forget, edit)
		}
	}
	if n := len(p.remove); float64(n) > h.spec.MaxRemoval*float64(own) {
		p.problems = append(p.problems, problem{err: fmt.Errorf("%d of the %d resources of this source are listed no more, which is more than max_removal (%g) lets go "+
			"at once; they stay. If that is right, raise max_removal", n, own, h.spec.MaxRemoval)})
		p.remove = nil
	}
	return p
}

func recordName(k cluster.Key) string { return ownedDir + k.String() }

func recordOf(k cluster.Key, as digest) state.Change {
	return state.Change{Name: recordName(k), Value: []byte(hex.EncodeToString(as[:]))}
}
