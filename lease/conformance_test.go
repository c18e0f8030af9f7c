package lease

import (
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// TestStoreConforms runs the suite that the in-memory store passes too. Each test has a prefix of its own.
func TestStoreConforms(t *testing.T) {
	e := etcdtest.Start(t)
	clustertest.TestStore(t, func(t *testing.T) clustertest.Cluster {
		prefix := "/" + t.Name() + "/"
		return clustertest.Cluster{
			Store: func(string) cluster.Store {
				return open(t, e.Endpoints(), func(c *Config) { c.Prefix = prefix })
			},
			Clock: Boottime,
			TTL:   time.Second,
		}
	})
}
