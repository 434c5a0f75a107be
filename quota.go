package ostiary

import (
	"encoding/binary"
	"fmt"
)

// Quota bounds what a store may hold.
type Quota struct {
	// Tuples is how many tuples it may have; a mutation that is judged by it may leave more only where it had more.
	Tuples uint64
}

// ReleaseQuotas is the release number (Mutation.MinVersion) of the first release that knows quotas.
const ReleaseQuotas = 3

// CollectionQuotas holds the quotas, by the ids of stores. A store with one has its tuples counted.
const CollectionQuotas = "quota"

// quotaForm is the first byte of a stored quota.
const quotaForm = 1

// SetQuota makes a mutation give a store a quota, or, without one, take it away. The mutation changes no tuples.
func (m *Mutation) SetQuota(store string, q *Quota) {
	c := DocumentChange{Key: DocumentKey{Collection: CollectionQuotas, Key: store}, Delete: q == nil}
	if q != nil {
		c.Body = binary.BigEndian.AppendUint64([]byte{quotaForm}, q.Tuples)
	}
	m.Documents = append(m.Documents, c)
	m.MinVersion = max(m.MinVersion, ReleaseQuotas)
}

// QuotaOf reads the document of a quota. The error is ErrCorrupt.
func QuotaOf(d Document) (Quota, error) {
	if len(d.Body) != 9 || d.Body[0] != quotaForm {
		return Quota{}, fmt.Errorf("decode document %q: %.40x is no quota: %w", d.Key, d.Body, ErrCorrupt)
	}
	return Quota{Tuples: binary.BigEndian.Uint64(d.Body[1:])}, nil
}

// RestOnQuota makes m demand that it leave a store within its quota, or with fewer tuples than before. What takes
// rights away should not: a quota never keeps a door open.
func (m *Mutation) RestOnQuota(store string) {
	m.Preconditions = append(m.Preconditions, Precondition{Kind: WithinQuota, Store: store})
	m.MinVersion = max(m.MinVersion, ReleaseQuotas)
}

// CollectionRates holds how many requests a second stores may get, by their ids.
const CollectionRates = "request-rate"

// rateForm is the first byte of a stored rate.
const rateForm = 1

// SetRate makes a mutation say how many requests a second a store may get on each node; 0 takes the bound away.
func (m *Mutation) SetRate(store string, perSecond uint32) {
	c := DocumentChange{Key: DocumentKey{Collection: CollectionRates, Key: store}, Delete: perSecond == 0}
	if perSecond > 0 {
		c.Body = binary.BigEndian.AppendUint32([]byte{rateForm}, perSecond)
	}
	m.Documents = append(m.Documents, c)
	m.MinVersion = max(m.MinVersion, ReleaseQuotas)
}

// RateOf reads the document of a rate. The error is ErrCorrupt.
func RateOf(d Document) (perSecond uint32, err error) {
	if len(d.Body) != 5 || d.Body[0] != rateForm {
		return 0, fmt.Errorf("decode document %q: %.40x is no rate: %w", d.Key, d.Body, ErrCorrupt)
	}
	return binary.BigEndian.Uint32(d.Body[1:]), nil
}
