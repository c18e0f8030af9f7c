package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// devEtcd is a one-member etcd inside this process.
type devEtcd struct {
	*embed.Etcd
	dir       string
	temporary bool // dir is removed in the end
}

// startEtcd starts an etcd that clients reach at address, with its data in dir; an empty dir stands for a temporary
// one. It returns when etcd serves; close must be called.
func startEtcd(address, dir string) (*devEtcd, error) {
	e := &devEtcd{dir: dir, temporary: dir == ""}
	if e.temporary {
		temp, err := os.MkdirTemp("", "drm-dev-")
		if err != nil {
			return nil, fmt.Errorf("start etcd: %w", err)
		}
		e.dir = temp
	}
	server, err := embed.StartEtcd(etcdConfig(address, e.dir, e.temporary))
	if err != nil {
		e.remove()
		return nil, fmt.Errorf("start etcd in %s: %w", e.dir, err)
	}
	e.Etcd = server
	select {
	case <-server.Server.ReadyNotify():
		return e, nil
	case err = <-server.Err():
	case <-time.After(30 * time.Second):
		err = errors.New("it is not ready after 30 s; is the disk very slow?")
	}
	e.close()
	return nil, fmt.Errorf("start etcd in %s: %w", e.dir, err)
}

func etcdConfig(address, dir string, temporary bool) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name = "drm-dev"
	cfg.Dir = dir
	clients := url.URL{Scheme: "http", Host: address}
	peers := url.URL{Scheme: "http", Host: "127.0.0.1:0"} // of which there are none
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = "periodic", "5m"
	cfg.UnsafeNoFsync = temporary // what is thrown away needs no care
	cfg.LogLevel = "fatal"        // what goes wrong at start is returned; its other lines would bury ours
	return cfg
}

func (e *devEtcd) close() {
	e.Close()
	e.remove()
}

func (e *devEtcd) remove() {
	if e.temporary {
		_ = os.RemoveAll(e.dir)
	}
}

// where says where the state is and whether it survives.
func (e *devEtcd) where() string {
	if e.temporary {
		return "state is lost when this ends; --data-dir DIR keeps it"
	}
	return "state is kept in " + e.dir
}
