package redistest_test

import (
	"testing"

	"github.com/gomodule/redigo/redis"

	"github.com/drm-cluster/drm/test/redistest"
)

// A server keeps its port and its data over a kill.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s.Do("SET", "a", "1")
	s.Kill()
	s.Kill()
	s.Restart()
	if got, err := redis.String(s.Do("GET", "a"), nil); got != "1" {
		t.Errorf("after the restart a is %q (%v)", got, err)
	}
}
