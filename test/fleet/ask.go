//go:build linux

package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// patience bounds the questions to a node's HTTP server.
const patience = 10 * time.Second

// Get asks the node's HTTP server for a path and decodes its JSON into answer.
func (n *Node) Get(ctx context.Context, path string, answer any) error {
	body, err := n.get(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("read answer of node %s to %s: %w\n%s", n.ID, path, err, body)
	}
	return nil
}

// Metrics returns the node's metrics by series, as they are written: name{label="value"}.
func (n *Node) Metrics(ctx context.Context) (map[string]float64, error) {
	body, err := n.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	series := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		name, value, ok := cutLast(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if series[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("read metrics of node %s: %w", n.ID, err)
		}
	}
	return series, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (n *Node) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Address+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask node %s: %w", n.ID, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask node %s: %w", n.ID, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("ask node %s: %w", n.ID, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask node %s for %s: %s\n%s", n.ID, path, response.Status, body)
	}
	return body, nil
}
