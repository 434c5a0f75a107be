package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/pflag"
)

// maxKeyFile bounds a file that holds a key.
const maxKeyFile = 64 << 10

// keyFlags are the key by which a client says who it is: itself, or the file that holds it.
type keyFlags struct{ token, file string }

func (k *keyFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&k.token, "token", "", "pre-shared key or access token to authenticate with")
	flags.StringVar(&k.file, "token-file", "", "file that holds it, which others must not be able to read")
	fromEnv(flags, "token", "token-file")
	annotate(flags, "token", secretAnnotation, "")
}

// key returns the key, and reads it where it lies in a file. What stands on the command line counts for more than a
// variable.
func (k *keyFlags) key(origins map[string]origin) (string, error) {
	ofToken, ofFile := origins["token"], origins["token-file"]
	switch {
	case k.file == "", k.token != "" && ofToken == fromFlag && ofFile != fromFlag:
		return k.token, nil
	case k.token != "" && (ofToken == fromFlag || ofFile != fromFlag):
		return "", usagef("--token (%s) and --token-file (%s) both say which key to authenticate with: set one of them", ofToken, ofFile)
	}
	return readKeyFile(k.file)
}

// readKeyFile reads a key that others cannot read and that only its owner can change.
func readKeyFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read the key to authenticate with (--token-file): %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("read the key to authenticate with (--token-file): %w", err)
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.IsRegular() && mode.Perm()&0o027 != 0 {
		return "", usagef("--token-file %s has mode %04o: others may read it, or its group write it; chmod 600 %s", name, mode.Perm(), name)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return "", fmt.Errorf("read the key to authenticate with (--token-file): %w", err)
	}
	if len(text) > maxKeyFile {
		return "", usagef("--token-file %s has more than %s bytes: it is no file with a key", name, thousands(maxKeyFile))
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsAny(key, "\r\n") {
		return "", usagef("--token-file %s holds no key, or more than one line: write the key alone into it", name)
	}
	return key, nil
}
