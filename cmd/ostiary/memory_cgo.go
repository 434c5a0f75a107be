//go:build cgo

package main

// cachesOutsideHeap says that Pebble takes the memory of its caches from C, where Go's limit does not
// count it.
const cachesOutsideHeap = true
