package trim

import "hash/maphash"

// names is a set of texts that takes the same memory however many there are. It may take one for a member that is none, the more often the
// more there are, and each set errs about others: so it is good for where that only puts something off. It is a Bloom filter
// (Burton H. Bloom, Space/Time Trade-offs in Hash Coding with Allowable Errors, 1970).
type names struct {
	seed maphash.Seed
	bits []uint64
}

const (
	// nameBits is the size of a set: with a million members it errs about one in 400 that are none.
	nameBits = 1 << 24
	probes   = 4
)

func newNames() *names { return &names{maphash.MakeSeed(), make([]uint64, nameBits/64)} }

func (n *names) add(text string) {
	for _, at := range n.places(text) {
		n.bits[at/64] |= 1 << (at % 64)
	}
}

func (n *names) has(text string) bool {
	for _, at := range n.places(text) {
		if n.bits[at/64]&(1<<(at%64)) == 0 {
			return false
		}
	}
	return true
}

// places are the bits of a text.
func (n *names) places(text string) (all [probes]uint64) {
	hash := maphash.String(n.seed, text)
	step := hash>>32 | 1
	for i := range all {
		all[i] = (hash + uint64(i)*step) % nameBits
	}
	return all
}
