package identity

// SetEndedAtOnce lowers MaxSessionsAtOnce until the returned function is called.
func SetEndedAtOnce(n int) (restore func()) {
	was := endedAtOnce
	endedAtOnce = n
	return func() { endedAtOnce = was }
}

// SetSessionsPerEvent lowers how many sessions an event has until the returned function is called.
func SetSessionsPerEvent(n int) (restore func()) {
	was := sessionsPerEvent
	sessionsPerEvent = n
	return func() { sessionsPerEvent = was }
}
