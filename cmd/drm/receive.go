package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"
)

// receiveOptions are the flags of drm receive.
type receiveOptions struct {
	listen, secret string
	answer         int
}

func newReceive(p process) *cobra.Command {
	o := receiveOptions{}
	cmd := &cobra.Command{
		Use:   "receive",
		Short: "Receive webhooks on this machine, to try things on: verify, show and count them",
		Long: "Receive webhooks on this machine: each POST is verified, by the reference library of Standard Webhooks, shown and counted by its\n" +
			"webhook-id. When nothing has come for a second, and in the end, it says how many events came how often. It tells what to put into etcd\n" +
			"for a webhook to call it; GET /seen/ID answers 200 if that event has come and 404 if not, for \"in_doubt\": \"probe\". Not for production.",
		Example: "  drm receive\n  drm receive --answer 503     # to see what is tried again",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if o.answer < 200 || o.answer > 599 {
				return exits(exitUsage, fmt.Errorf("--answer is %d; it must be from 200 to 599", o.answer))
			}
			return exits(exitError, p.interruptible(func(ctx context.Context) error { return o.run(ctx, p.stdout) }))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:9000", "where to listen; port 0 for any that is free")
	f.StringVar(&o.secret, "secret", "", "whsec_ and 24 to 64 bytes in base64 that requests are signed with (default: a new one)")
	f.IntVar(&o.answer, "answer", 204, "the status to answer with, if the signature is good")
	return cmd
}

// run receives until ctx ends.
func (o *receiveOptions) run(ctx context.Context, out io.Writer) error {
	if o.secret == "" {
		secret := make([]byte, 24)
		_, _ = rand.Read(secret) // it never fails
		o.secret = "whsec_" + base64.StdEncoding.EncodeToString(secret)
	}
	r, err := startReceiver(o.listen, o.secret, o.answer)
	if err != nil {
		return err
	}
	defer r.close()
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		return fmt.Errorf("read the address listened on: %w", err)
	}
	fmt.Fprintf(out, receiveHint, r.address, o.secret, port)
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	for {
		select {
		case post := <-r.posts:
			fmt.Fprintln(out, plain(post.String()))
			quiet.Reset(time.Second)
		case <-quiet.C:
			fmt.Fprintln(out, r.tally())
		case <-ctx.Done():
			fmt.Fprintln(out, r.tally())
			return nil
		}
	}
}

// receiveHint is what to do for a webhook to call the receiver, and to ask it about what is in doubt.
const receiveHint = `receiving at http://%[1]s/; to have it called for each event of the topic orders, and to publish one:
  etcdctl put /drm/resources/webhook/shop '{"url":"http://%[1]s/","topics":["orders"],"signing":{"keys":[{"secret":"%[2]s"}]},` +
	`"in_doubt":"probe","probe":{"url":"http://%[1]s/seen/{id}"},"network":{"allow_http":true,"ports":[%[3]s]}}'
  drm publish orders --data '{"n":1}'

`
