package raftstore

import (
	"math"
	"slices"
	"time"

	"github.com/ostiary/ostiary/storage"
)

const (
	// imageReport is how often the sending of an image says how far it is.
	imageReport = 5 * time.Second
	// imageGrace is how long what follows an image stays in the log after it was installed, at least: by
	// then the news of that node say what it needs.
	imageGrace = 5 * time.Second
	// stuckAfter is how long the log waits for a node that makes no progress.
	stuckAfter = time.Minute
	// maxHeldEntries bounds how many entries stay in the log for a node that is behind.
	maxHeldEntries = 4_000_000
)

// outgoing is an image on its way to another node, no faster than the rate that is set.
type outgoing struct {
	*storage.Image
	images   *images
	index    uint64 // of its raft snapshot: the node will need what follows
	begun    time.Time
	reported time.Time
	sent     int64
	closed   time.Time // guarded by images.mu; zero while it is being sent
}

// hold keeps the whole log, from before it is known for which raft snapshot an image is to stand.
func (i *images) hold() *outgoing {
	out := &outgoing{images: i}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sending = append(i.sending, out)
	return out
}

// send begins to send an image that stands for a raft snapshot at index.
func (o *outgoing) send(image *storage.Image, index uint64) {
	o.images.mu.Lock()
	defer o.images.mu.Unlock()
	o.Image, o.index, o.begun, o.reported = image, index, time.Now(), time.Now()
	o.images.logger.Info("sending an image to another node", "index", index, "bytes", image.Size())
}

// drop ends a hold from which no image comes.
func (o *outgoing) drop() {
	o.images.mu.Lock()
	defer o.images.mu.Unlock()
	o.images.sending = slices.DeleteFunc(o.images.sending, func(other *outgoing) bool { return other == o })
}

func (o *outgoing) Read(p []byte) (int, error) {
	if rate := o.images.rate; rate > 0 {
		p = p[:min(len(p), max(1, int(rate/20)))] // so that a pause is short
		o.pause(time.Duration(float64(o.sent)/float64(rate)*float64(time.Second)) - time.Since(o.begun))
	}
	n, err := o.Image.Read(p)
	o.sent += int64(n)
	if time.Since(o.reported) >= imageReport {
		o.reported = time.Now()
		o.images.logger.Info("sending an image to another node", "index", o.index, "sent_bytes", o.sent, "bytes", o.Size(), "duration", time.Since(o.begun))
	}
	return n, err
}

func (o *outgoing) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-o.images.ended:
	}
}

// Close ends the sending: raft calls it when the other node has answered.
func (o *outgoing) Close() error {
	o.images.mu.Lock()
	o.closed = time.Now()
	o.images.mu.Unlock()
	o.images.logger.Info("image to another node ended", "index", o.index, "sent_bytes", o.sent, "bytes", o.Size(), "duration", time.Since(o.begun))
	return o.Image.Close()
}

// followed returns the oldest entry that follows an image on its way.
func (i *images) followed() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	oldest, kept := uint64(math.MaxUint64), i.sending[:0]
	for _, o := range i.sending {
		if !o.closed.IsZero() && time.Since(o.closed) > imageGrace {
			continue
		}
		kept = append(kept, o)
		oldest = min(oldest, o.index+1)
	}
	clear(i.sending[len(kept):])
	i.sending = kept
	return oldest
}

// needed returns the oldest entry of the log that another node may still ask for. A node to which an image
// is being sent needs what follows it, and one that the log can still serve needs what follows its last
// entry, as long as it answers and moves: otherwise each image would be too old when it arrives, while
// writes go on, and the next one too. What is kept is bounded in number and by the reserve of the disk.
func (s *Store) needed() uint64 {
	if s.net == nil {
		return math.MaxUint64
	}
	oldest := s.images.followed()
	first, last := s.log.FirstIndex(), s.log.LastIndex()
	s.net.board.mu.Lock()
	for _, n := range s.net.board.news {
		here := time.Since(n.heard) < newsPatience && time.Since(n.progressed) < stuckAfter
		if here && n.LastIndex+1 >= first {
			oldest = min(oldest, n.LastIndex+1)
		}
	}
	s.net.board.mu.Unlock()
	if last > maxHeldEntries && oldest < last-maxHeldEntries || s.disk.writable() != nil {
		return math.MaxUint64
	}
	return oldest
}
