//go:build linux

package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

func (s *Server) serveRecord(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.Record()) // who asked may be gone
}

// serveWait answers once as many resources are held as the request says, by as many connections, and there have been
// as many connections as it says.
func (s *Server) serveWait(w http.ResponseWriter, r *http.Request) {
	held, err := strconv.Atoi(r.FormValue("held"))
	ever, err2 := strconv.Atoi(r.FormValue("ever"))
	if err := errors.Join(err, err2); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	err = s.Wait(r.Context(), func(r Record) bool { return r.Held == held && r.Open == held && r.Ever >= ever })
	if err != nil {
		return // who asked is gone
	}
	w.WriteHeader(http.StatusNoContent)
}

// Remote is a recorder in another process.
type Remote struct{ Address string }

// Record returns all that was seen so far.
func (r Remote) Record(ctx context.Context) (Record, error) {
	var record Record
	response, err := r.get(ctx, "/record")
	if err != nil {
		return record, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&record); err != nil {
		return record, fmt.Errorf("read record: %w", err)
	}
	return record, nil
}

// Wait returns once that many resources are held, each by one connection, and there have been so many connections: one
// that is dead may not have been noticed yet, so only its successor proves that it was replaced.
func (r Remote) Wait(ctx context.Context, held, ever int) error {
	response, err := r.get(ctx, fmt.Sprintf("/wait?held=%d&ever=%d", held, ever))
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func (r Remote) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Address+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask recorder: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask recorder: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		response.Body.Close()
		return nil, fmt.Errorf("ask recorder: %s", response.Status)
	}
	return response, nil
}
