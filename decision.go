package ostiary

// Decision is the answer to a check. The zero value is Denied, so a forgotten assignment fails closed.
// An error is not a decision: beside a non-nil error a Decision has no meaning.
type Decision uint8

// The two decisions.
const (
	Denied Decision = iota
	Allowed
)

// String returns "denied" or "allowed".
func (d Decision) String() string {
	if d == Allowed {
		return "allowed"
	}
	return "denied"
}
