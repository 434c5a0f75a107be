package outbox

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/ostiary/ostiary"
)

// Queue makes it part of a mutation that a delivery waits for its target, beside those that events become: what a
// target has asked for itself. Its ID and times are set. A worker finds it a moment later.
func Queue(m *ostiary.Mutation, d Delivery) error {
	id, err := ulid.New(uint64(max(m.TimeNanos, 0)/int64(time.Millisecond)), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the id of a delivery: %w", err)
	}
	d.ID, d.TimeNanos, d.QueuedNanos = strings.ToLower(id.String()), m.TimeNanos, m.TimeNanos
	m.Documents = append(m.Documents, d.put())
	return nil
}
