// Command ostiary is the server and the command line client of the Ostiary authorization database.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := newApp().run(ctx, os.Args[1:])
	os.Exit(code)
}
