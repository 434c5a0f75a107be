package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
)

// Whatever stands in a file of settings is taken as it is checked, or refused by name, in bounded time.
func FuzzSettingsFile(f *testing.F) {
	f.Add([]byte("grpc-addr: 127.0.0.1:1\nmax-tuples-per-write: 5\n"))
	f.Add([]byte("max-tuples-per-write: -5\nno-such: 1\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("http-cors-allowed-origins: [a, b]\ndev: true\n"))
	f.Add([]byte("- a\n---\nb: c\n"))
	path := filepath.Join(f.TempDir(), "settings.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		var limits limitFlags
		limits.register(flags)
		origins := map[string]origin{}
		if err := settleFromFile(flags, origins, path); err != nil {
			return
		}
		for name := range origins {
			if flags.Lookup(name) == nil {
				t.Errorf("%q sets %q, which is no setting", text, name)
			}
		}
	})
}
