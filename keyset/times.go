package keyset

import (
	"errors"
	"time"
)

// The bounds in time of a JWT that shows something once.
const (
	// ClockSkew is how far the clocks of its maker and of this node may be apart.
	ClockSkew = time.Minute
	// MaxLife is how far ahead it may expire, and how long ago it may have been made.
	MaxLife = 10 * time.Minute
)

// Times are the claims that bound a JWT in time, in seconds since 1970 UTC. It is embedded in other claims.
type Times struct {
	Expiry *float64 `json:"exp"`
	NotYet *float64 `json:"nbf"`
	Issued *float64 `json:"iat"`
}

// Judge says what is wrong with the times of a JWT that comes now. Exp must be there; nbf does not say how long the
// JWT is good, for some makers set it to before iat.
func (t Times) Judge(nowNanos int64) error {
	now, skew, life := float64(nowNanos)/1e9, ClockSkew.Seconds(), MaxLife.Seconds()
	switch {
	case t.Expiry == nil:
		return errors.New("exp is missing")
	case *t.Expiry+skew <= now:
		return errors.New("it has expired")
	case *t.Expiry > now+life+skew:
		return errors.New("exp is more than 10 minutes ahead")
	case t.Issued != nil && *t.Issued > now+skew:
		return errors.New("iat is ahead of the clock")
	case t.Issued != nil && *t.Issued < now-life-skew:
		return errors.New("iat is more than 10 minutes ago")
	case t.NotYet != nil && *t.NotYet > now+skew:
		return errors.New("nbf is ahead of the clock")
	}
	return nil
}
