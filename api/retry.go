package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/drm-cluster/drm/cluster"
)

// retryAnswer says whether a resource is tried again, and what is noted of it; Status is null when nothing is.
type retryAnswer struct {
	Retried bool          `json:"retried"`
	Status  *statusAnswer `json:"status"`
}

// retry has a resource that is in trouble tried again, whichever node holds it.
func (s *server) retry(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	key, err := checkKey(r.PathValue("kind"), r.PathValue("id"))
	if err != nil {
		return nil, badRequest("%v", err)
	}
	status, err := cluster.Retry(r.Context(), s.Cluster.Commit, key)
	switch {
	case errors.Is(err, cluster.ErrNoResource):
		return nil, problem{http.StatusNotFound, fmt.Sprintf("there is no resource %s; GET /v1/resources?kind=%s lists those there are", key, key.Kind)}
	case err != nil:
		return nil, err
	case status == nil:
		return retryAnswer{}, nil
	}
	return retryAnswer{status.Retriable(), &statusAnswer{*status, status.Epoch, status.SpecRev}}, nil
}
