// Package decisionlog writes down what a server has answered: one line of JSON for each decision that a rule picks.
//
// A decision is put into a queue, which a goroutine writes out in batches. The queue is bounded in lines and in bytes.
// What does not fit is dropped, what cannot be written is given up, and both are counted, in Stats and in a line of the
// log itself.
//
// # Invariants
//
//	D1. Whoever asks is never kept waiting by what the log is written to: Wants and Decided take a lock that nobody
//	    holds while anything is written.
//	D2. A line is whole or missing: one that was cut off by an error is ended before the next begins.
//	D3. Every decision that a rule has picked is counted once: as written, dropped or failed.
//
// # Concurrency
//
// A Log may be used by any number of goroutines. What it begins has ended when Close returns, except for a write that
// hangs where no deadline can be set (a terminal, a file on a dead network disk).
//
// # Not here
//
// What is a decision (package api). This package knows no names of methods but those that it is given.
package decisionlog
