package main

import (
	"io"
	"net/http"
	"os"

	"github.com/spf13/pflag"
)

// warnOfSecrets warns of secrets on the command line: everybody on the machine can read the arguments of a process.
func (a *app) warnOfSecrets(flags *pflag.FlagSet) {
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Annotations[secretAnnotation] == nil || a.origins[flag.Name] != fromFlag {
			return
		}
		instead := "a file"
		if variables := flag.Annotations[envAnnotation]; len(variables) > 0 {
			instead = "$" + variables[0]
		}
		if flags.Lookup(flag.Name+"-file") != nil {
			instead = "--" + flag.Name + "-file"
		}
		a.talkf("warning: --%s stands on the command line, which everybody on this machine can read: use %s", flag.Name, instead)
	})
}

// programName is what /debug/pprof/cmdline tells: arguments may be secret.
func programName(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, os.Args[0]) // an error means that the client is gone
}
