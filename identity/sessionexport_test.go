package identity

// SetEndedAtOnce lowers MaxSessionsAtOnce until the returned function is called.
func SetEndedAtOnce(n int) (restore func()) {
	was := endedAtOnce
	endedAtOnce = n
	return func() { endedAtOnce = was }
}
