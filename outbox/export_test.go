package outbox

// LowerBytesAtOnce sets a bound until the function that it returns is called.
func LowerBytesAtOnce(n int) (restore func()) {
	was := bytesAtOnce
	bytesAtOnce = n
	return func() { bytesAtOnce = was }
}
