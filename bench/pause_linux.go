package bench

import (
	"syscall"
	"time"
)

// pause sleeps to within some tens of microseconds. time.Sleep may wait a whole millisecond longer on a
// machine that is otherwise idle, because the runtime's poller counts in milliseconds.
func pause(d time.Duration) {
	left := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&left, nil) // a signal may end it early: the caller looks at the clock
}
