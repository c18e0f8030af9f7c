package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newHealthcheck(p process) *cobra.Command {
	var (
		listen, url string
		ready       bool
		timeout     time.Duration
	)
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the node on this machine whether it is well; for a container's HEALTHCHECK",
		Long: "Ask the node on this machine whether it is well: exit 0 when it is, 1 when it isn't or doesn't answer.\n" +
			"A node is alive as long as it runs, also when etcd is away; it is ready when it holds its lease and has planned.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return exits(exitError, p.interruptible(func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, timeout)
				defer cancel()
				base, err := healthURL(url, listen)
				if err != nil {
					return err
				}
				return askHealth(ctx, p.stdout, base, ready)
			}))
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", defaultListen, "the --listen of the node to ask")
	f.StringVar(&url, "url", "", "the node's URL, when it is not http:// and --listen")
	f.BoolVar(&ready, "ready", false, "ask whether it is ready, not only whether it is alive")
	f.DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait for the answer")
	return cmd
}

// healthURL is where the node is asked: a listener on all addresses is asked on the loopback one.
func healthURL(url, listen string) (string, error) {
	if url != "" {
		return strings.TrimRight(url, "/"), nil
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("read --listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

func askHealth(ctx context.Context, out io.Writer, base string, ready bool) error {
	path := "/livez"
	if ready {
		path = "/readyz"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return fmt.Errorf("ask node: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask node: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return fmt.Errorf("ask node: %w", err)
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("node is not well: %s: %s", response.Status, text)
	}
	_, err = fmt.Fprintln(out, text)
	return err
}
