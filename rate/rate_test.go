package rate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/rate"
)

const second = int64(time.Second)

// taken returns how many of up to n pass at a moment.
func taken(l *rate.Limit, name string, n int, nowNanos int64) (passed int) {
	for range n {
		if l.Take(name, 1, nowNanos) == 0 {
			passed++
		}
	}
	return passed
}

func TestTake(t *testing.T) {
	l, now := rate.New(5), 7*second
	if got := taken(l, "a", 20, now); got != 10 {
		t.Errorf("%d passed at once, want two seconds of it", got)
	}
	if got := taken(l, "b", 20, now); got != 10 {
		t.Errorf("%d of another name passed", got)
	}
	wait := l.Take("a", 1, now)
	if wait != time.Second/5 {
		t.Errorf("the wait is %v", wait)
	}
	if got := taken(l, "a", 20, now+int64(wait)); got != 1 {
		t.Errorf("%d passed after the wait", got)
	}
	if got := taken(l, "a", 20, now-second); got != 0 {
		t.Errorf("%d passed when the clock went back", got)
	}
	if got := taken(l, "a", 20, now+100*second); got != 10 {
		t.Errorf("%d passed after a pause", got)
	}
}

// A clock that goes back neither fills nor takes anything, and what it goes forward by again does not count twice.
func TestClockGoesBack(t *testing.T) {
	l := rate.New(5)
	taken(l, "a", 20, 100*second)
	if got := taken(l, "a", 20, 50*second) + taken(l, "a", 20, 100*second); got != 0 {
		t.Errorf("%d passed", got)
	}
	if l.Take("b", 1, 100*second) != 0 || l.Take("b", 1, 50*second) != 0 {
		t.Error("what was left is gone")
	}
}

// A part of one lets nothing pass.
func TestPartOfOne(t *testing.T) {
	l := rate.New(0.75)
	if got := taken(l, "a", 5, second); got != 1 {
		t.Errorf("%d passed of the one and a half that there are", got)
	}
}

// A name that has a rate of its own has another one from the moment that it is told.
func TestTakeAt(t *testing.T) {
	l := rate.New(0)
	takenAt := func(perSecond float64, nowNanos int64) (passed int) {
		for range 20 {
			if l.TakeAt("a", 1, perSecond, nowNanos) == 0 {
				passed++
			}
		}
		return passed
	}
	for i, c := range []struct {
		perSecond float64
		at        int64
		want      int
	}{{3, 1, 6}, {3, 1, 0}, {5, 2, 5}, {5, 100, 10}, {1, 100, 0}, {1, 101, 1}, {1, 200, 2}, {-1, 200, 20}, {0, 300, 0}} {
		if got := takenAt(c.perSecond, c.at*second); got != c.want {
			t.Errorf("%d: %d passed at %v a second, want %d", i, got, c.perSecond, c.want)
		}
	}
}

// Who asks for more than is left passes once, and those that follow pay for it.
func TestTakeMoreThanIsLeft(t *testing.T) {
	l := rate.New(5)
	if wait := l.Take("a", 100, second); wait != 0 {
		t.Fatalf("the first waits %v", wait)
	}
	if got := taken(l, "a", 5, 18*second); got != 0 {
		t.Errorf("%d passed before the 90 were paid", got)
	}
	if got := taken(l, "a", 20, 20*second); got != 5 {
		t.Errorf("%d passed afterwards", got)
	}
}

func TestRatesThatAreNone(t *testing.T) {
	if got := taken(rate.New(-1), "a", 1000, second); got != 1000 {
		t.Errorf("%d passed where nothing is bounded", got)
	}
	none := rate.New(0)
	if none.Take("a", 1, second) == 0 || none.Take("a", 1, 1000*second) == 0 {
		t.Error("something passed at a rate of zero")
	}
}

// The names that are kept are bounded; who is forgotten has a full bucket.
func TestManyNames(t *testing.T) {
	l := rate.New(1)
	for i := range 50_000 {
		if wait := l.Take(fmt.Sprint(i), 1, second); wait != 0 {
			t.Fatalf("name %d waits %v at its first time", i, wait)
		}
	}
}

// Many names do not make a limit forget those that it refuses.
func TestManyNamesLiftNoLimit(t *testing.T) {
	l := rate.New(1)
	taken(l, "a", 3, second)
	for i := range 50_000 {
		l.Take(fmt.Sprint(i), 1, second)
		if i%9_000 == 0 && l.Take("a", 1, second) == 0 {
			t.Fatalf("after %d other names the one that was refused passes again", i+1)
		}
	}
}
