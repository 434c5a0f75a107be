package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// progress tells how far a long command is: a bar on a terminal, a plain line now and then elsewhere.
// One goroutine uses it.
type progress struct {
	app     *app
	verb    string // "imported"
	size    int64  // bytes to go through; 0 when not known
	started time.Time
	shown   time.Time
	drawn   bool // a bar stands on the current line of the terminal
	rows    int64
	bytes   int64
}

const barEvery = 100 * time.Millisecond

func (a *app) newProgress(verb string, size int64) *progress {
	now := time.Now()
	return &progress{app: a, verb: verb, size: size, started: now, shown: now}
}

// at says that so many rows and bytes are done.
func (p *progress) at(rows, bytes int64) {
	p.rows, p.bytes = rows, bytes
	every := p.app.progressEvery
	if p.app.errTerminal {
		every = barEvery
	}
	if now := time.Now(); now.Sub(p.shown) >= every {
		p.shown = now
		p.show()
	}
}

func (p *progress) show() {
	if !p.app.errTerminal {
		p.app.talkf("%s", p.line())
		return
	}
	fmt.Fprintf(p.app.err, "\r\x1b[K%s", p.line())
	p.drawn = true
}

// line is "[#####.....]  50%  3,800 imported  12,000/s  1s left".
func (p *progress) line() string {
	elapsed := time.Since(p.started)
	text := fmt.Sprintf("%s %s  %s/s", thousands(p.rows), p.verb, thousands(int64(math.Round(float64(p.rows)/max(elapsed.Seconds(), 0.001)))))
	if p.size <= 0 || p.bytes <= 0 {
		return text
	}
	share := min(float64(p.bytes)/float64(p.size), 1)
	left := time.Duration(float64(elapsed) * (1 - share) / share).Round(time.Second)
	text = fmt.Sprintf("%3.0f%%  %s  %s left", 100*share, text, left)
	if !p.app.errTerminal {
		return strings.TrimSpace(text)
	}
	const width = 30
	done := int(share * width)
	return "[" + strings.Repeat("#", done) + strings.Repeat(".", width-done) + "] " + text
}

// interrupt runs f, which writes a line, without leaving pieces of the bar in it.
func (p *progress) interrupt(f func()) {
	p.finish()
	f()
}

// finish takes the bar away.
func (p *progress) finish() {
	if p.drawn {
		fmt.Fprint(p.app.err, "\r\x1b[K")
		p.drawn = false
	}
}
