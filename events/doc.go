// Package events is the log of what was published: topics on etcd.
//
//	drm publish, POST /v1/events/<topic>, etcdctl put
//	      │
//	      ▼
//	topics/<topic>/<id>      one key for each event, written once
package events
