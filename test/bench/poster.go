//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// post is the plainest program that calls urls, in a process of its own: so many at a time, over connections that are kept, each answer
// read to its end; nothing is written down, and nothing is asked of anybody else.
func post(args []string) error {
	if len(args) != 3 {
		return errors.New("post: want ADDRESS AT-ONCE POSTS")
	}
	atOnce, err := strconv.Atoi(args[1])
	posts, err2 := strconv.Atoi(args[2])
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("post: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	var turn atomic.Int64
	var posting sync.WaitGroup
	failed := make([]error, atOnce)
	for who := range atOnce {
		posting.Go(func() {
			for n := int(turn.Add(1)); n <= posts && failed[who] == nil; n = int(turn.Add(1)) {
				failed[who] = postOne(client, remote{args[0]}.url("plain"), strconv.Itoa(n))
			}
		})
	}
	posting.Wait()
	return errors.Join(failed...)
}

func postOne(client *http.Client, url, id string) error {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Webhook-Id", id)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("post: %s, %w", response.Status, err)
	}
	return nil
}
