package gtr

import (
	"sync"
	"time"
)

// AlarmPeople is how many people a connection may log out within a minute before that is worth an alarm. They are
// logged out all the same: a provider that ends everybody's sessions may have reason to.
const AlarmPeople = 100

// alarms counts the people whom each connection logs out.
type alarms struct {
	mu    sync.Mutex
	since int64 // when the minute began
	by    map[string]int
}

// count counts people, and reports whether they are the first above AlarmPeople of the minute.
func (a *alarms) count(connection string, people int, nowNanos int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.by == nil || nowNanos-a.since >= int64(time.Minute) {
		a.since, a.by = nowNanos, map[string]int{}
	}
	before := a.by[connection]
	a.by[connection] = before + people
	return before <= AlarmPeople && before+people > AlarmPeople
}
