package bench

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

// page is a report with its plots drawn: one file, no scripts, nothing fetched.
var page = template.Must(template.New("report").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
pre { background: #f4f4f4; padding: 1rem; overflow-x: auto }
svg { width: 100%; height: auto } h2 { margin-top: 2rem }
.axis { stroke: #999 } .grid { stroke: #e5e5e5 } .curve { fill: none; stroke: #1660b8; stroke-width: 2 }
text { font: 12px system-ui, sans-serif; fill: #444 }
</style></head><body>
<h1>{{.Title}}</h1>
<pre>{{.Table}}</pre>
<h2>Latency by percentile</h2>
<p>Both axes are logarithmic: each step to the right is ten times rarer.</p>
{{.Latency}}
<h2>Throughput over time</h2>
{{.Throughput}}
</body></html>
`))

// WriteHTML writes a report as one page with plots.
func (r *Report) WriteHTML(out io.Writer) error {
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		return err
	}
	name := r.Name
	if name == "" {
		name = r.Target.Address
	}
	return page.Execute(out, struct {
		Title, Table        string
		Latency, Throughput template.HTML
	}{
		Title: fmt.Sprintf("%s on %s/%s: %s", r.Operation, r.Workload.Name, r.Workload.Scale, name),
		Table: table.String(),
		// What is drawn is numbers and this file's own words.
		Latency:    template.HTML(r.latencyPlot()),    //nolint:gosec // see above
		Throughput: template.HTML(r.throughputPlot()), //nolint:gosec // see above
	})
}

// plot is a drawing surface with axes.
type plot struct {
	svg            strings.Builder
	xFrom, xTo     float64
	yFrom, yTo     float64
	left, right    float64
	top, bottom    float64
	width, heightY float64
}

func newPlot(xFrom, xTo, yFrom, yTo float64) *plot {
	p := &plot{xFrom: xFrom, xTo: xTo, yFrom: yFrom, yTo: yTo, left: 70, right: 20, top: 15, bottom: 40, width: 900, heightY: 340}
	if p.xTo <= p.xFrom {
		p.xTo = p.xFrom + 1
	}
	if p.yTo <= p.yFrom {
		p.yTo = p.yFrom + 1
	}
	fmt.Fprintf(&p.svg, `<svg viewBox="0 0 %.0f %.0f" role="img">`, p.width, p.heightY)
	return p
}

func (p *plot) x(v float64) float64 {
	return p.left + (v-p.xFrom)/(p.xTo-p.xFrom)*(p.width-p.left-p.right)
}

func (p *plot) y(v float64) float64 {
	return p.heightY - p.bottom - (v-p.yFrom)/(p.yTo-p.yFrom)*(p.heightY-p.top-p.bottom)
}

func (p *plot) xTick(v float64, label string) {
	fmt.Fprintf(&p.svg, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, p.x(v), p.top, p.x(v), p.heightY-p.bottom)
	fmt.Fprintf(&p.svg, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, p.x(v), p.heightY-p.bottom+18, label)
}

func (p *plot) yTick(v float64, label string) {
	fmt.Fprintf(&p.svg, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, p.left, p.y(v), p.width-p.right, p.y(v))
	fmt.Fprintf(&p.svg, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, p.left-8, p.y(v)+4, label)
}

// curve draws a line through the points and closes the drawing.
func (p *plot) curve(points [][2]float64) string {
	fmt.Fprintf(&p.svg, `<line class="axis" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, p.left, p.heightY-p.bottom, p.width-p.right, p.heightY-p.bottom)
	p.svg.WriteString(`<polyline class="curve" points="`)
	for _, point := range points {
		fmt.Fprintf(&p.svg, "%.1f,%.1f ", p.x(point[0]), p.y(point[1]))
	}
	p.svg.WriteString(`"/></svg>`)
	return p.svg.String()
}

// latencyPlot draws the percentiles: -log10(1-p) to the right, log10 of the latency upwards.
func (r *Report) latencyPlot() string {
	if len(r.Percentiles) == 0 {
		return "<p>No request was answered.</p>"
	}
	var points [][2]float64
	low, high := math.Inf(1), math.Inf(-1)
	for i, percentile := range r.Percentiles {
		x := float64(i) / 10 // as percentilesOf spaces them
		y := math.Log10(max(percentile.Microseconds, 0.1))
		points = append(points, [2]float64{x, y})
		low, high = min(low, y), max(high, y)
	}
	p := newPlot(0, points[len(points)-1][0], math.Floor(low), math.Ceil(high))
	for digit := 0.0; digit <= p.xTo; digit++ {
		label := map[float64]string{0: "0 %", 1: "90 %", 2: "99 %", 3: "99.9 %", 4: "99.99 %", 5: "99.999 %", 6: "99.9999 %"}[digit]
		p.xTick(digit, label)
	}
	for power := p.yFrom; power <= p.yTo; power++ {
		p.yTick(power, duration(math.Pow(10, power)))
	}
	return p.curve(points)
}

func (r *Report) throughputPlot() string {
	if len(r.Timeline.Requests) == 0 {
		return "<p>The run was too short.</p>"
	}
	var points [][2]float64
	high := 0.0
	for i, n := range r.Timeline.Requests {
		rate := float64(n) / r.Timeline.IntervalSeconds
		points = append(points, [2]float64{float64(i) * r.Timeline.IntervalSeconds, rate})
		high = max(high, rate)
	}
	p := newPlot(0, points[len(points)-1][0], 0, high*1.1)
	for i := range 6 {
		share := float64(i) / 5
		p.xTick(p.xTo*share, fmt.Sprintf("%.3g s", p.xTo*share))
		p.yTick(p.yTo*share, grouped(p.yTo*share)+"/s")
	}
	return p.curve(points)
}
