package lease

import (
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// TestStoreConforms runs the suite that the in-memory store passes too. Each test has a prefix of its own. With DRM_TEST_ETCD it runs
// on that etcd.
func TestStoreConforms(t *testing.T) {
	var endpoints []string
	if etcdtest.Other() != "" {
		endpoints = etcdtest.Processes(t, 1, "--heartbeat-interval=10", "--election-timeout=100").Endpoints()
	} else {
		endpoints = etcdtest.Start(t).Endpoints()
	}
	clustertest.TestStore(t, func(t *testing.T) clustertest.Cluster {
		prefix := "/" + t.Name() + "/"
		return clustertest.Cluster{
			Store: func(string) cluster.Store {
				return open(t, endpoints, func(c *Config) { c.Prefix = prefix })
			},
			Clock: Boottime,
			TTL:   time.Second,
		}
	})
}
