//go:build linux

package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
)

// chart is a picture of figures over time.
type chart struct {
	title, about string
	x, y         axis
	series       []series
	marks        []mark
}

// axis is one of the two. Its end is chosen so that all fits.
type axis struct {
	label    string
	from, to float64
}

// series is one line. Points are in the order of x.
type series struct {
	name   string
	points [][2]float64
	steps  bool // the value stays until the next point
}

// mark is a moment at which something was done.
type mark struct {
	x    float64
	text string
}

// The size of a picture, and of the part in which the lines are.
const (
	width, height             = 880.0, 440.0
	left, right, top, below   = 78.0, 24.0, 76.0, 56.0
	plotWidth, plotHeight     = width - left - right, height - top - below
	ticksAcross, ticksUpwards = 8, 5
)

// colours are told apart by people who see few, on white and on black (after Okabe and Ito, "Color Universal Design", 2008).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7"}

// draw writes a picture, if pictures are wanted and it has a name.
func (b *bench) draw(name string, picture func() chart) error {
	if b.plot == "" || name == "" {
		return nil
	}
	if err := os.MkdirAll(b.plot, 0o755); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	if err := os.WriteFile(filepath.Join(b.plot, name+".svg"), picture().svg(), 0o644); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	return nil
}

// svg draws the chart. Text and lines take the colours that go with the reader's theme.
func (c chart) svg() []byte {
	out := new(bytes.Buffer)
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="%s">
<style>
svg { font: 13px system-ui, sans-serif; background: #ffffff; color: #24292f }
text { fill: currentColor } .title { font-size: 17px; font-weight: 600 } .faint { opacity: 0.7 }
.grid { stroke: currentColor; stroke-opacity: 0.15 } .mark { stroke: currentColor; stroke-opacity: 0.6; stroke-dasharray: 4 3 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round }
@media (prefers-color-scheme: dark) { svg { background: #0d1117; color: #e6edf3 } .line, .key { filter: brightness(1.5) } }
</style>
<rect width="100%%" height="100%%" fill="none"/>
<text class="title" x="%g" y="26">%s</text>
`, width, height, html.EscapeString(c.title), left, html.EscapeString(c.title))
	fmt.Fprintf(out, "<text class=\"faint\" x=\"%g\" y=\"46\">%s</text>\n", left, html.EscapeString(c.about))
	c.grid(out)
	for _, m := range c.marks {
		x := left + c.x.place(m.x)*plotWidth
		fmt.Fprintf(out, "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/>\n", x, x, top, height-below)
		fmt.Fprintf(out, "<text class=\"faint\" x=\"%.1f\" y=\"%g\">%s</text>\n", x+5, top+14, html.EscapeString(m.text))
	}
	for i, s := range c.series {
		fmt.Fprintf(out, "<path class=\"line\" stroke=\"%s\" d=\"%s\"/>\n", colours[i%len(colours)], c.path(s))
	}
	c.legend(out)
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func (c chart) grid(out *bytes.Buffer) {
	for _, v := range c.x.ticks(ticksAcross) {
		x := left + c.x.place(v)*plotWidth
		fmt.Fprintf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/>", x, x, top, height-below)
		fmt.Fprintf(out, "<text text-anchor=\"middle\" x=\"%.1f\" y=\"%g\">%s</text>\n", x, height-below+18, tickText(v))
	}
	for _, v := range c.y.ticks(ticksUpwards) {
		y := height - below - c.y.place(v)*plotHeight
		fmt.Fprintf(out, "<line class=\"grid\" x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/>", left, width-right, y, y)
		fmt.Fprintf(out, "<text text-anchor=\"end\" x=\"%g\" y=\"%.1f\">%s</text>\n", left-8, y+4, tickText(v))
	}
	fmt.Fprintf(out, "<text text-anchor=\"middle\" x=\"%g\" y=\"%g\">%s</text>\n", left+plotWidth/2, height-14, html.EscapeString(c.x.label))
	fmt.Fprintf(out, "<text text-anchor=\"middle\" transform=\"translate(18 %g) rotate(-90)\">%s</text>\n", top+plotHeight/2, html.EscapeString(c.y.label))
}

// legend names the lines, in a row above them, from the right.
func (c chart) legend(out *bytes.Buffer) {
	if len(c.series) < 2 {
		return
	}
	const wide = 7.2 // of a letter, about
	x := width - right
	for i := len(c.series) - 1; i >= 0; i-- {
		x -= wide*float64(len(c.series[i].name)) + 34
		fmt.Fprintf(out, "<line class=\"key\" x1=\"%.1f\" x2=\"%.1f\" y1=\"63\" y2=\"63\" stroke=\"%s\" stroke-width=\"3\"/>", x, x+18, colours[i%len(colours)])
		fmt.Fprintf(out, "<text x=\"%.1f\" y=\"67\">%s</text>\n", x+24, html.EscapeString(c.series[i].name))
	}
}

// path is the line of a series.
func (c chart) path(s series) string {
	out := new(bytes.Buffer)
	for i, p := range s.points {
		x, y := left+c.x.place(p[0])*plotWidth, height-below-c.y.place(p[1])*plotHeight
		switch {
		case i == 0:
			fmt.Fprintf(out, "M%.1f %.1f", x, y)
		case s.steps:
			fmt.Fprintf(out, "H%.1fV%.1f", x, y)
		default:
			fmt.Fprintf(out, "L%.1f %.1f", x, y)
		}
	}
	return out.String()
}

// place returns where on the axis, from 0 to 1, a value is.
func (a axis) place(v float64) float64 {
	return min(max((v-a.from)/(a.to-a.from), 0), 1)
}

// ticks returns round values along the axis, about as many as asked for.
func (a axis) ticks(about int) (values []float64) {
	rough := (a.to - a.from) / float64(about)
	step := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, times := range []float64{2, 2.5, 2} { // 2, 5, 10
		if step < rough {
			step *= times
		}
	}
	for v := math.Ceil(a.from/step) * step; v <= a.to+step/1000; v += step {
		values = append(values, v)
	}
	return values
}

func tickText(v float64) string {
	if math.Abs(v) >= 10_000 {
		return fmt.Sprintf("%gk", math.Round(v/100)/10)
	}
	return fmt.Sprintf("%g", math.Round(v*1e6)/1e6+0) // and not -0
}
