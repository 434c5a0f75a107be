//go:build !cgo

package main

const cachesOutsideHeap = false
