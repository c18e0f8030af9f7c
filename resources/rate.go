package resources

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Rate is how often something may happen, written as "5/s", "300/5m" or "1000/24h". The zero Rate, the empty string, is no
// limit.
type Rate struct {
	N   int
	Per time.Duration
}

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(b []byte) error {
	*r = Rate{}
	if len(b) == 0 {
		return nil
	}
	count, per, _ := strings.Cut(string(b), "/")
	n, err := strconv.Atoi(count)
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	var span cluster.Duration
	if err != nil || n < 1 || n > 1e6 || span.UnmarshalText([]byte(per)) != nil || span <= 0 {
		return fmt.Errorf("read rate %q: write how many in what time, such as 5/s or 300/5m", b)
	}
	*r = Rate{N: n, Per: time.Duration(span)}
	return nil
}

// PerSecond returns the rate as a number; that of no limit is 0.
func (r Rate) PerSecond() float64 {
	if r.N == 0 {
		return 0
	}
	return float64(r.N) / r.Per.Seconds()
}
