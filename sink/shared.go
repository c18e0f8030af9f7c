package sink

import "sync"

// shared keeps one value for all users of a key: the first makes it and the last ends it. The zero shared is empty. It may be used
// concurrently.
type shared[K comparable, V any] struct {
	mu   sync.Mutex
	used map[K]*use[V]
}

type use[V any] struct {
	value V
	users int
}

// open returns the value of a key, which begin makes if nobody uses it.
func (s *shared[K, V]) open(key K, begin func() V) V {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.used[key]
	if u == nil {
		if s.used == nil {
			s.used = map[K]*use[V]{}
		}
		u = &use[V]{value: begin()}
		s.used[key] = u
	}
	u.users++
	return u.value
}

// close gives up one use of a key. end is called for the last, while nobody can open it.
func (s *shared[K, V]) close(key K, end func(V)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.used[key]
	if u.users--; u.users == 0 {
		delete(s.used, key)
		end(u.value)
	}
}
