package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// row is what one suite came to.
type row struct {
	suite                   string
	passed, failed, skipped int
	note                    string
}

// table holds a row for each suite.
type table struct{ rows []row }

func (t *table) add(r row) { t.rows = append(t.rows, r) }

// failed counts failures, and as one each a suite of which nothing passed although it was there.
func (t *table) failed() int {
	n := 0
	for _, r := range t.rows {
		n += r.failed
		if r.passed == 0 && r.note == "" {
			n++
		}
	}
	return n
}

func (t *table) print(out io.Writer, took time.Duration) {
	width := len("suite")
	for _, r := range t.rows {
		width = max(width, len(r.suite))
	}
	total := row{suite: "all"}
	fmt.Fprintf(out, "\n%-*s %8s %8s %8s\n", width, "suite", "passed", "failed", "skipped")
	for _, r := range t.rows {
		printRow(out, width, r)
		total.passed, total.failed, total.skipped = total.passed+r.passed, total.failed+r.failed, total.skipped+r.skipped
	}
	fmt.Fprintln(out, strings.Repeat("-", width+27))
	total.note = took.Round(time.Second).String()
	printRow(out, width, total)
}

func printRow(out io.Writer, width int, r row) {
	line := fmt.Sprintf("%-*s %8d %8d %8d  %s", width, r.suite, r.passed, r.failed, r.skipped, r.note)
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}
