package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources/websocket"
)

const (
	// maxSend is how much of the standard input is read: more than a node takes, which then says so.
	maxSend = 2 << 20
	// sendTimeout is how long the holder may take.
	sendTimeout = 15 * time.Second
)

func newSend(p process) *cobra.Command {
	o := newOperator(p)
	binary := false
	cmd := &cobra.Command{
		Use:   "send KIND/ID [TEXT]",
		Short: "Send a message on a websocket that is held",
		Long: "Send a message to the other side of a websocket, by the node that holds it: the text given, or else the standard input.\n" +
			"It returns when the message is written to the connection. The node's --listen address must be within reach.",
		Example: "  drm send websocket/trades '{\"op\":\"subscribe\",\"args\":[\"btc\"]}'\n  drm send websocket/trades --binary < message.bin",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			keys, err := keysOf(args[:1])
			if err == nil && keys[0].Kind != websocket.Kind {
				err = fmt.Errorf("%s is of kind %s; only resources of kind %s can send", args[0], keys[0].Kind, websocket.Kind)
			}
			if err != nil {
				return exits(exitUsage, err)
			}
			message := []byte(args[len(args)-1])
			if len(args) == 1 {
				if message, err = io.ReadAll(io.LimitReader(p.stdin, maxSend)); err != nil {
					return exits(exitError, fmt.Errorf("read message: %w", err))
				}
			}
			return o.do(func(ctx context.Context) error { return o.send(ctx, keys[0], message, binary) })
		},
	}
	o.define(cmd.Flags())
	cmd.Flags().BoolVar(&binary, "binary", false, "send a binary message, not text")
	return cmd
}

// send has the holder of a websocket send a message.
func (o *operator) send(ctx context.Context, key cluster.Key, message []byte, binary bool) error {
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	info, known := s.Resource(key)
	switch {
	case !known:
		return o.unknownResource(s, key)
	case info.Holder == "" || info.Address == "":
		return fmt.Errorf("nobody holds %s now; drm explain %s says why", key, key)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+info.Address+"/v1/resources/"+key.String()+"/send", bytes.NewReader(message))
	if err != nil {
		return fmt.Errorf("ask node %s at %s: %w", info.Holder, info.Address, err)
	}
	request.Host = info.Holder
	if binary {
		request.Header.Set("Content-Type", "application/octet-stream")
	}
	answer, err := (&http.Transport{}).RoundTrip(request) // without a proxy: nodes are within reach or not
	if err != nil {
		return fmt.Errorf("ask node %s at %s: %w", info.Holder, info.Address, err)
	}
	defer answer.Body.Close()
	var said struct {
		Node  string `json:"node"`
		Epoch string `json:"epoch"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return fmt.Errorf("read the answer of node %s at %s (%s): %w", info.Holder, info.Address, answer.Status, err)
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(said.Error)
	}
	_, err = fmt.Fprintf(o.stdout, "%s: sent by %s under epoch %s\n", key, plain(said.Node), plain(said.Epoch))
	return err
}
