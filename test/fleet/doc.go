//go:build linux

// Package fleet runs drm nodes as the processes that operators run, for the integration tests and the benchmark: it
// starts "drm run", finds the worker under each supervisor, kills, stops and continues either, and puts
// into etcd what an operator would put there.
//
// Everything that a Fleet starts ends with it: Close kills what is left, and every node holds a pipe of ours, so
// that it leaves by itself when this process is gone, however that ended.
package fleet
