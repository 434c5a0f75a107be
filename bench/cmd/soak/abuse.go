package main

import "context"

// abuse is something that attackers do until its context ends. The note says what came of it; an error is a fault of
// the trial, and none of the server.
type abuse struct {
	name string
	run  func(ctx context.Context, t *trial) (note string, err error)
}

var abuses = []abuse{
	{"silent", silent},
}
