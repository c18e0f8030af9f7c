package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// newFeed is for docker-compose.yml, whose nodes need something to connect to.
func newFeed(p process) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:    "feed",
		Short:  "Serve what \"drm dev --demo\" connects to: websockets that send the time each second",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return exits(exitError, p.interruptible(func(ctx context.Context) error { return showFeed(ctx, p, listen) }))
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "where to serve")
	return cmd
}

// showFeed serves until ctx ends, and prints a line for each connection that comes or goes.
func showFeed(ctx context.Context, p process, listen string) error {
	f, err := startFeed(listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	defer f.close()
	fmt.Fprintf(p.stdout, "serving ws://%s/NAME\n", f.address)
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-f.events:
			what := "closed"
			if e.open {
				what = "opened"
			}
			fmt.Fprintf(p.stdout, "%s  %s  %s  (epoch %d)\n", e.at.Format(clockLayout), e.id, what, e.epoch)
		}
	}
}
