// Package webhook is the kind of resource that calls a url once for each event of its topics.
package webhook
