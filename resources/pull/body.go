package pull

import (
	"compress/gzip"
	"fmt"
	"io"
	"strings"

	"github.com/drm-cluster/drm/resources/post"
)

// read reads a body, and decompresses it if need be. It stops as soon as there is more than max_body of it: a few kilobytes of zeros, compressed,
// are gigabytes here.
func (s *Spec) read(resp *post.Response) ([]byte, error) {
	var from io.Reader = resp.Body
	switch encoding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzipped, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		from = unzipped
	default:
		return nil, fmt.Errorf("it is encoded as %q, which was not asked for", encoding)
	}
	body, err := io.ReadAll(io.LimitReader(from, int64(s.MaxBody)+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > int(s.MaxBody):
		size, _ := s.MaxBody.MarshalText() // never fails
		return nil, fmt.Errorf("it has more than %s; see max_body", size)
	}
	return body, nil
}
