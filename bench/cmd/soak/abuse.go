package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// abuse is something that attackers do until its context ends. The note says what came of it; an error is a fault of
// the trial, and none of the server.
type abuse struct {
	name string
	run  func(ctx context.Context, a *attacker) (note string, err error)
}

var abuses = []abuse{
	{"silent", silent},
	{"slow readers", slowReaders},
	{"slow senders", slowSenders},
	{"malformed", malformed},
}

// chooseAbuses returns those that are named, with commas between, or all.
func chooseAbuses(names string) (chosen []abuse, err error) {
	if names == "" {
		return abuses, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(abuses, func(a abuse) bool { return a.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no abuse %q", name)
		}
		chosen = append(chosen, abuses[i])
	}
	return chosen, nil
}
