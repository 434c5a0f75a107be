package bench

import (
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// threadClock is CLOCK_THREAD_CPUTIME_ID of Linux.
const threadClock = 3

// cpuClock keeps the benchmark on its thread and returns what that thread has used of a processor since
// any moment: what others do on the machine meanwhile does not count.
func cpuClock(b *testing.B) (now func() time.Duration, ok bool) {
	runtime.LockOSThread()
	b.Cleanup(runtime.UnlockOSThread)
	return func() time.Duration {
		var t syscall.Timespec
		if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
			b.Fatalf("read the clock of the thread: %v", errno)
		}
		return time.Duration(t.Nano())
	}, true
}
