// Package loopback finds addresses for servers that must know theirs before they listen: those that are told of
// each other, and those that end and come back. Tests and benchmarks use it.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports that the kernel never gives by itself, neither to who listens on port 0 nor to who connects: Linux takes those
// from 32768 to 60999 (ip_local_port_range), IANA from 49152. One of the kernel's would be free when it is found, and
// another's when it is needed.
const (
	firstPort = 10_000
	lastPort  = 32_000

	maxAttempts = 1_000
)

var (
	mu    sync.Mutex
	given = map[int]bool{}
)

// FreeAddress returns an address "127.0.0.1:PORT" that nobody listens on, and that it has not returned before in this
// process.
func FreeAddress() (string, error) {
	mu.Lock()
	defer mu.Unlock()
	var last error
	for range maxAttempts {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if given[port] {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			last = err
			continue
		}
		given[port] = true
		return address, listener.Close()
	}
	return "", errors.Join(fmt.Errorf("find a free port of the loopback: none of %d that were tried was", maxAttempts), last)
}
