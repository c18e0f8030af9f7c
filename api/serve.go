package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

const (
	writeTimeout = 30 * time.Second
	// closeTimeout is how long requests that are being answered may take once the server is to end.
	closeTimeout = 2 * time.Second
	maxHeader    = 16 << 10
)

// Serve answers requests on ln until ctx ends, then lets those under way finish for up to two seconds, cuts the
// rest, and returns nil. It closes ln. An error says that ln broke.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler) error {
	return serve(ctx, ln, handler, writeTimeout)
}

func serve(ctx context.Context, ln net.Listener, handler http.Handler, write time.Duration) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      write,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve http on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	orderly, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err := server.Shutdown(orderly)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-served
	if err != nil {
		return fmt.Errorf("close http on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Debug serves Go's profiles under /debug/pprof/ at addr until ctx ends, then returns nil. It refuses an address
// that is not loopback: a heap profile holds secrets, and a CPU profile costs time.
func Debug(ctx context.Context, addr string) error {
	ln, err := listenLoopback(ctx, addr)
	if err != nil {
		return err
	}
	// A profile takes as long as its caller asks for, so there is no limit on writing.
	return serve(ctx, ln, debugHandler(), 0)
}

func listenLoopback(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen for debugging on %q: %w; write it as 127.0.0.1:PORT", addr, err)
	}
	if host == "" {
		return nil, fmt.Errorf("listen for debugging on %q: that is every address; write it as 127.0.0.1%s", addr, addr)
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for debugging: %w", err)
	}
	// What the name resolved to counts, and nothing is accepted before it is looked at.
	if bound, ok := ln.Addr().(*net.TCPAddr); !ok || !bound.IP.IsLoopback() {
		return nil, errors.Join(
			fmt.Errorf("listen for debugging on %q: that can be reached from outside; write it as 127.0.0.1:PORT", addr), ln.Close())
	}
	return ln, nil
}

func debugHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return secured(newHostCheck(nil, mux))
}
