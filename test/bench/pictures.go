//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/drm-cluster/drm/measure"
	"github.com/drm-cluster/drm/test/recorder"
)

// change is a number that grows or shrinks at a moment.
type change struct {
	at time.Time
	by int
}

// sum makes a line of changes: the number that there was at each moment, in seconds after zero, until the end.
func sum(changes []change, zero time.Time, end float64) (points [][2]float64) {
	slices.SortStableFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	n, last := 0, math.Inf(-1)
	for _, c := range changes {
		n += c.by
		x := c.at.Sub(zero).Seconds()
		if x-last < end/2000 { // closer than can be seen
			points[len(points)-1][1] = float64(n)
			continue
		}
		points, last = append(points, [2]float64{x, float64(n)}), x
	}
	return append(points, [2]float64{end, float64(n)})
}

// since cuts off what was before x.
func since(x float64, points [][2]float64) [][2]float64 {
	before := 0.0
	for len(points) > 0 && points[0][0] < x {
		before, points = points[0][1], points[1:]
	}
	return slices.Insert(slices.Clone(points), 0, [2]float64{x, before})
}

// takeoverChart shows the connections that the other side saw.
func takeoverChart(what string, resources, died int, record recorder.Record, at time.Time) chart {
	var changes []change
	end := 0.0
	for _, c := range record.Conns {
		changes = append(changes, change{c.Opened, +1})
		if !c.Open() {
			changes = append(changes, change{c.Closed, -1})
		}
		end = max(end, c.Opened.Sub(at).Seconds())
	}
	lead := end / 10
	end *= 1.15
	points := since(-lead, sum(changes, at, end))
	return chart{
		title:  what + ": connections open",
		about:  fmt.Sprintf("%d websockets on three nodes, %d on the one that dies, as the server at the other end sees them", resources, died),
		x:      axis{label: "seconds after the kill", from: -lead, to: end},
		y:      axis{label: "connections open", to: float64(resources) * 1.15},
		series: []series{{points: points, steps: true}},
		marks:  []mark{{0, "killed"}},
	}
}

// balanceChart shows what each node holds while a fourth joins and leaves.
func balanceChart(runs []measure.Run, join, leave time.Time) chart {
	changes := map[string][]change{}
	end, most := 0.0, 0.0
	for _, r := range runs {
		changes[r.Node] = append(changes[r.Node], change{r.Began, +1})
		if !r.Ended.IsZero() {
			changes[r.Node] = append(changes[r.Node], change{r.Ended, -1})
			end = max(end, r.Ended.Sub(join).Seconds())
		}
	}
	end += 2
	c := chart{
		title: "A node joins, and leaves: resources on each node",
		about: "each resource that moves is stopped on the one before it starts on the other, and moves once",
		x:     axis{label: "seconds after the fourth node started", from: -1, to: end},
		marks: []mark{{0, "n4 starts"}, {leave.Sub(join).Seconds(), "n4 is told to leave"}},
	}
	for i := range nodes + 1 {
		points := sum(changes[nodeID(i)], join, end)
		for _, p := range points {
			most = max(most, p[1])
		}
		c.series = append(c.series, series{name: nodeID(i), points: since(-1, points), steps: true})
	}
	c.y = axis{label: "resources held", to: most * 1.15}
	return c
}

// stallChart shows how long a put took, or would have taken, that was sent at each moment while leases were revoked.
func stallChart(keys int, many, one revoked) chart {
	const lead, most = 0.25, 1.15
	c := chart{
		title: fmt.Sprintf("%d claims vanish: how long a put of somebody else takes", keys),
		about: "etcd revokes a lease in one step that stops all else; drm puts at most 1,000 claims on each",
		x:     axis{label: "seconds after the leases are revoked, when the put is sent", from: -lead, to: lead},
		y:     axis{label: "milliseconds until it is answered"},
		marks: []mark{{0, "revoked"}},
	}
	for _, s := range []struct {
		name string
		revoked
	}{{"1,000 on a lease (drm)", many}, {"all on one lease", one}} {
		line := series{name: s.name}
		for _, p := range s.puts {
			x := p.at.Sub(s.began).Seconds()
			if x < -lead {
				continue
			}
			// One that is sent a little later waits for as much less.
			line.points = append(line.points, [2]float64{x, 0}, [2]float64{x, p.took.Seconds() * 1000}, [2]float64{x + p.took.Seconds(), 0})
			c.x.to = max(c.x.to, x+p.took.Seconds())
			c.y.to = max(c.y.to, p.took.Seconds()*1000*most)
		}
		c.series = append(c.series, line)
	}
	return c
}
