package loopback

import (
	"net"
	"testing"
)

func TestFreeAddress(t *testing.T) {
	known := map[string]bool{}
	for range 100 {
		address, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if known[address] {
			t.Fatalf("%s was given twice", address)
		}
		known[address] = true
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		listener.Close()
		if port < firstPort || port >= lastPort {
			t.Errorf("port %d is one that the kernel may give to others", port)
		}
	}
}
