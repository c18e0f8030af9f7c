// Package scale measures drm with very many resources and nodes, on three real etcd members that are processes of
// their own. Its tests are short unless asked for more; docs/scale.md has what they printed when they were, with these commands:
//
//	go test ./test/scale -v -run TestNodeAmongMany -resources 1000000
//	go test ./test/scale -v -run TestDeathOfALargeNode -resources 100000 -dead 100000 -ttl 8s
//	go test ./test/scale -v -run TestManyNodes -nodes 40 -resources 10000 -ttl 8s
//	DRM_TEST_ETCD=/path/to/etcd go test ./lease -run TestStoreConforms
//
// What must hold at any size is asserted: that nothing runs twice, that no bid is lost that need not be, that a resource
// held elsewhere costs no more than it may. How long things take depends on the machine, and is only told.
package scale
