package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// checkClock asks the kernel whether something keeps its clock right. Grants and sessions end by it.
func checkClock(context.Context, serveFlags) []finding {
	const advice = "run chrony, or systemd-timesyncd: nodes whose clocks differ by 5 s do not lead, and sessions end by the clock"
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		return []finding{warning("clock", advice, "the kernel does not say whether it is kept right: %v", err)}
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		return []finding{warning("clock", advice, "nothing keeps it right, as far as the kernel knows")}
	}
	return []finding{fine("clock", "it is kept right to %s", (time.Duration(t.Maxerror) * time.Microsecond).Round(time.Millisecond))}
}
